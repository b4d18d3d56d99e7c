/** The options of `tdf submit` as the request that they mean. */
import type { SubmitBody } from '../src/protocol/submit.ts'

export interface SubmitOptions {
  repo?: string
  ref?: string
  dirty?: boolean
  agent?: string
  model?: string
  /** False for `--no-setup`. */
  setup?: string | boolean
  check?: string
  node?: string
  provider?: string
  size?: string
  location?: string
  title?: string
  label: Record<string, string>
  priority: number
  timeout?: string
  outputBranch?: string
  interactive?: boolean
  maxCost?: number
  permissions?: 'allow' | 'deny' | 'ask'
  autoResume?: boolean
  push?: boolean
  pr?: boolean
  remote?: string
  idempotencyKey?: string
  wait?: boolean
  follow?: boolean
  waitTimeout?: string
  dryRun?: boolean
  file?: string
}

export interface Asked extends Pick<SubmitBody, 'prompt' | 'command' | 'repo' | 'author' | 'timeoutMs' | 'remote'> {
  options: Partial<SubmitOptions>
}

export function submitBody({ options, ...asked }: Asked): SubmitBody {
  return {
    ...asked,
    title: options.title ?? null,
    agent: options.agent ?? null,
    model: options.model ?? null,
    setup: typeof options.setup === 'string' ? options.setup : null,
    repositorySetup: options.setup !== false,
    check: options.check ?? null,
    node: options.node ?? null,
    provider: options.provider ?? null,
    size: options.size ?? null,
    location: options.location ?? null,
    labels: options.label ?? {},
    priority: options.priority ?? 0,
    outputBranch: options.outputBranch ?? null,
    interactive: options.interactive === true,
    maxCostUsd: options.maxCost ?? null,
    permissions: options.permissions ?? null,
    autoResume: options.autoResume !== false,
    push: pushOf(options),
  }
}

/** Null leaves it to the configuration. */
function pushOf({ push, pr }: Partial<SubmitOptions>): SubmitBody['push'] {
  if (push === false) return 'never'
  if (pr === true) return 'pr'
  return push === true ? 'branch' : null
}
