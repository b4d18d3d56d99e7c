/** When two requests say the same: the interface leaves tokens, environment and author out of it. */
import { createHash } from 'node:crypto'
import type { CreateWorkspace, StartSession } from '../../protocol/agent-api.ts'

/** `repositorySetup` and `trailer` follow settings of the caller's, which may have changed since it asked first. */
export function workspaceContent(body: CreateWorkspace): string {
  const { callback: _callback, author: _author, repositorySetup: _setup, trailer: _trailer, ...content } = body
  return digest(content)
}

/** `idleMs` is a setting of the caller's, which may have changed since it asked first. */
export function sessionContent({ idleMs: _idleMs, ...body }: StartSession): string {
  const { env: _env, ...agent } = body.agent
  return digest({ ...body, agent })
}

/** Keys come in one order, since the shapes that parsed the body put them there. */
function digest(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex')
}
