/** `POST /workspaces`: idempotent by id and content. The build goes on behind the answer. */
import { isAbsolute, join } from 'node:path'
import { makeFolder, moveDurable } from '../../platform/files.ts'
import { isRepositoryUrl, isSafeBranch, isSafeRef } from '../../platform/git.ts'
import type { CreateWorkspace } from '../../protocol/agent-api.ts'
import { BUNDLE_BYTES_MAX } from '../../protocol/shapes.ts'
import type { Agent } from '../agent.ts'
import { malformed, Refusal } from '../errors.ts'
import { takeSlot } from '../isolation/slots.ts'
import { writeJson } from '../state/durable.ts'
import { removeTree } from '../state/remove-tree.ts'
import { beginBuild } from './build.ts'
import { workspaceContent } from './content.ts'
import { makeWorkspace, recordPath, updateRecord, type Workspace, type WorkspaceRecord } from './workspace.ts'

export interface Created {
  workspace: Workspace
  isNew: boolean
}

export async function create(agent: Agent, body: CreateWorkspace): Promise<Created> {
  const id = body.workspaceId
  refuseUnsafe(body)
  if (agent.tombstones.has(id)) throw new Refusal('gone', `workspace ${id} was deleted`)
  if (agent.damaged.has(id)) throw new Refusal('conflict', `workspace ${id} is here with a damaged record`)
  const known = agent.workspaces.get(id)
  if (known) return { workspace: again(known, body), isNew: false }

  const parent = join(agent.state, 'workspaces')
  const draft = join(parent, `.new-${id}`)
  if (!(await removeTree(draft))) throw new Refusal('internal', `cannot clear ${draft}`)
  // The removal was a wait: another request may have made the workspace, or deleted its id, meanwhile.
  const overtaken = agent.workspaces.get(id)
  if (overtaken) return { workspace: again(overtaken, body), isNew: false }
  if (agent.tombstones.has(id)) throw new Refusal('gone', `workspace ${id} was deleted`)

  const record = firstRecord(agent, body)
  const folder = join(parent, id)
  agent.world.failpoint('before', 'workspace')
  makeFolder(draft)
  writeJson(recordPath(draft), record)
  moveDurable(draft, folder)
  agent.world.failpoint('after', 'workspace')
  const workspace = makeWorkspace(id, folder, record)
  agent.workspaces.set(id, workspace)
  beginBuild(agent, workspace)
  return { workspace, isNew: true }
}

function again(workspace: Workspace, body: CreateWorkspace): Workspace {
  const { record } = workspace
  if (workspaceContent(body) !== record.contentHash) {
    throw new Refusal('conflict', `workspace ${workspace.id} exists with other content`)
  }
  const same =
    record.request.callback.token === body.callback.token &&
    record.request.author.name === body.author.name &&
    record.request.author.email === body.author.email
  if (!same) updateRecord(workspace, { request: body })
  return workspace
}

function firstRecord(agent: Agent, body: CreateWorkspace): WorkspaceRecord {
  return {
    format: 1,
    request: body,
    contentHash: workspaceContent(body),
    createdAt: new Date(agent.world.clock.now()).toISOString(),
    status: 'creating',
    built: null,
    errorMessage: null,
    isPassing: false,
    baseCommit: null,
    bundleReceived: false,
    bundleIsThin: false,
    note: null,
    slot: takeSlot(agent, body),
  }
}

function refuseUnsafe(body: CreateWorkspace): void {
  const { source } = body
  if (source.kind === 'git' && !isCloneable(source.url)) {
    throw malformed('source.url', 'must be an https, http, ssh, git or file url, host:path, or an absolute path')
  }
  if (source.kind === 'bundle' && source.origin !== undefined && !isRepositoryUrl(source.origin)) {
    throw malformed('source.origin', 'must be the url of a repository')
  }
  if (source.kind === 'bundle' && source.bytes > BUNDLE_BYTES_MAX) {
    throw malformed('source.bytes', `must not be over ${BUNDLE_BYTES_MAX}`)
  }
  if (source.ref !== null && !isSafeRef(source.ref)) throw malformed('source.ref', 'is not the name of a ref')
  if (!isSafeBranch(body.outputBranch) || body.outputBranch === 'HEAD') {
    throw malformed('outputBranch', 'is not the name of a branch')
  }
  if (body.setup?.command.includes('\0')) throw malformed('setup.command', 'must not hold NUL')
}

/** A path on this machine is allowed here: the agent serves one owner, who may clone what the agent's user may read. */
function isCloneable(url: string): boolean {
  return isRepositoryUrl(url) || (isAbsolute(url) && url.length <= 4096 && !/\p{Cc}/u.test(url))
}
