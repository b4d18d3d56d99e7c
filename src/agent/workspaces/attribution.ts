/**
 * Commits keep their author, who answers for them; a trailer says what made them. On commits of ours it is written at
 * once, on those of an agent by a hook of its own clone, which runs as the agent and which it may do without.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { BuildContext } from './build-context.ts'

/** git-interpret-trailers(1): a commit that is amended gets it once. */
export function attributeCommits({ tree, workspace }: BuildContext): void {
  const { trailer } = workspace.record.request
  if (!trailer) return
  const hooks = join(tree, '.git', 'hooks')
  mkdirSync(hooks, { recursive: true })
  const add = `git interpret-trailers --in-place --if-exists addIfDifferent --trailer ${quoted(trailer)} "$1"`
  writeFileSync(join(hooks, 'prepare-commit-msg'), `#!/bin/sh\n# Says which task of tdf made a commit.\n${add}\n`, {
    mode: 0o755,
  })
}

/** The end of a message of ours. */
export function withTrailer(message: string, trailer: string | undefined): string {
  return trailer ? `${message}\n${trailer}\n` : message
}

const quoted = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`
