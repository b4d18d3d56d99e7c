/** When two requests say the same: the interface leaves tokens, environment and author out of it. */
import { createHash } from 'node:crypto'
import type { CreateWorkspace, StartSession } from '../../protocol/agent-api.ts'

/** What follows settings of the caller's may have changed since it asked first, and is left out. */
export function workspaceContent(body: CreateWorkspace): string {
  const { callback: _callback, author: _author, repositorySetup: _setup, trailer: _trailer, ...asked } = body
  const { sandbox: _sandbox, ...content } = asked
  return digest({ ...content, source: sourceContent(content.source) })
}

function sourceContent(source: CreateWorkspace['source']): object {
  if (source.kind === 'bundle') {
    const { cache: _cache, ...rest } = source
    return rest
  }
  const { submodules: _submodules, ...rest } = source
  return rest
}

/** As above. */
export function sessionContent({ idleMs: _idleMs, sandbox: _sandbox, ...body }: StartSession): string {
  const { trailer: _trailer, transcript: _transcript, ...asked } = body
  const { env: _env, ...agent } = asked.agent
  return digest({ ...asked, agent })
}

/** Keys come in one order, since the shapes that parsed the body put them there. */
function digest(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex')
}
