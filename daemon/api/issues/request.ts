/** The task that an issue becomes: what its template says, with what people wrote in the issue as quoted lines and nothing else. */
import path from 'node:path'
import type { SourceConfig } from '../../../src/config/schema/config.ts'
import type { TaskOptions } from '../../../src/config/templates/options.ts'
import { renderTemplate, TEMPLATE_CHARS_MAX } from '../../../src/config/templates/template.ts'
import { parseDuration } from '../../../src/core/duration.ts'
import { TdfError } from '../../../src/core/errors.ts'
import type { IssueSpec } from '../../../src/core/source.ts'
import { readPlainFile } from '../../../src/platform/files.ts'
import { parseBody } from '../../../src/protocol/shapes.ts'
import { type SubmitRequest, submitRequest } from '../../../src/protocol/submit.ts'
import {
  type IssueText,
  issueBlocks,
  issueLines,
  issueName,
  issueNote,
  issueTitle,
} from '../../../src/text/progress/issues.ts'

export interface Wished {
  request: SubmitRequest
  source: IssueSpec
}

interface Place {
  /** The folder of templates. */
  dir: string
  /** Of the tracker, for a template that names no repository. */
  repository: string | null
}

/** Throws TEMPLATE_INVALID, or what is wrong with the options of the template. */
export function requestOf(source: SourceConfig, issue: IssueText, { dir, repository }: Place): Wished {
  const file = path.join(dir, `${source.template}.md`)
  const text = templateText(file, source.name)
  const blocks = issueBlocks(issue)
  const { options, prompt } = renderTemplate(file, text, blocks)
  const { title } = renderTemplate(file, text, { ...blocks, ...issueLines(issue) }).options
  const url = options.repo ?? repository
  if (url === null) {
    const message = `${file}: "repo" is wanted, since source "${source.name}" is no repository`
    throw new TdfError('TEMPLATE_INVALID', message, { hint: `tdf source check ${source.name}` })
  }
  if (options.dirty || options.interactive) {
    const message = `${file}: what comes from a tracker is neither dirty nor interactive`
    throw new TdfError('TEMPLATE_INVALID', message, { hint: `tdf source check ${source.name}` })
  }
  const body = {
    ...bodyOf(options),
    title: title ?? issueTitle(issue),
    prompt: options.command === undefined ? `${prompt}\n\n${issueNote}` : prompt,
    repo: { kind: 'git', url, ref: options.ref ?? null },
    labels: { ...options.labels, source: source.name, issue: issueName(issue.id) },
  }
  const request = parseBody(submitRequest, body)
  const fixes = source.writes.includes('fixes') ? fixesOf(source, issue.id, request.remote ?? url) : null
  return { request, source: { name: source.name, issue: issue.id, title: request.title ?? '', url: issue.url, fixes } }
}

function templateText(file: string, name: string): string {
  const text = readPlainFile(file, TEMPLATE_CHARS_MAX)
  if (text !== null) return text
  throw new TdfError('TEMPLATE_INVALID', `there is no template ${file}`, { hint: `tdf source check ${name}` })
}

/** The options as a request has them; those of its repository, title and labels are filled in by the caller. */
function bodyOf(options: TaskOptions): Record<string, unknown> {
  const { agent, model, node, provider, size, location, outputBranch, remote, permissions, until, rounds } = options
  return {
    ...{ agent, model, node, provider, size, location, outputBranch, remote, permissions, until, rounds },
    command: options.command ?? null,
    setup: typeof options.setup === 'string' ? options.setup : null,
    repositorySetup: options.setup !== false,
    check: typeof options.check === 'string' ? options.check : null,
    priority: options.priority ?? 0,
    timeoutMs: options.timeout === undefined ? null : (parseDuration(options.timeout) ?? null),
    maxCostUsd: options.maxCost ?? null,
    atLimit: options.atLimit ?? null,
    fallback: options.fallback === false ? [] : (options.fallback ?? null),
    autoResume: options.autoResume !== false,
    artifacts: options.artifacts ?? [],
    push: pushOf(options),
  }
}

/** Null leaves it to the configuration. */
function pushOf({ push, pr, until }: TaskOptions): SubmitRequest['push'] {
  if (push === false) return 'never'
  if (until !== undefined || pr === true) return 'pr'
  return push === true ? 'branch' : null
}

/** `#412` in the repository of the project, `acme/web#412` elsewhere. */
function fixesOf({ kind, project }: SourceConfig, id: string, remote: string): string {
  const name = issueName(id)
  if (kind === 'command' || kind === 'linear' || !URL.canParse(remote)) return name
  const at = new URL(remote).pathname.replace(/^\/+|(\.git)?\/*$/g, '').toLowerCase()
  return at === project.toLowerCase() || !at.includes('/') ? name : `${project}${name}`
}
