/** A conversation that came with the workspace's bundle, laid where its agent looks for it. */
import { realpathSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { git } from '../../git.ts'
import { run } from '../../process.ts'
import type { Agent } from '../agent.ts'
import type { SessionRequest } from '../sessions/folder.ts'
import { asSlot } from '../slots/command.ts'
import { bundlePath, salvageRepository, type Workspace } from '../workspaces/workspace.ts'
import { ABOUT, aboutConversation, CONVERSATION } from './carried.ts'
import { PLACES } from './places.ts'

/** Holds it in the salvage repository; no result may have such a name. */
const KEPT = 'refs/keep/session'
const WRITE_MS = 60_000

/** From the bundle that holds `ref`, as its `ref`-session. Without one there is nothing to keep. */
export async function keepConversation(workspace: Workspace, repository: string, ref: string | null): Promise<void> {
  if (ref === null) return
  const flags = ['--quiet', '--no-tags', '--no-write-fetch-head']
  await git(
    ['-c', 'transfer.fsckObjects=true', 'fetch', ...flags, '--', bundlePath(workspace), `+${ref}-session:${KEPT}`],
    { cwd: repository, env: { GIT_DIR: repository } },
  )
}

/** Written by the user whose it is; one that is there already is left alone. */
export async function layBack(
  agent: Agent,
  workspace: Workspace,
  request: SessionRequest,
  env: Record<string, string>,
): Promise<void> {
  if (request.resumeRef === null) return
  const about = parse(await kept(workspace, ABOUT))
  const place = about && PLACES[about.type]
  if (!place || about.type !== request.type || about.resumeRef !== request.resumeRef) return
  const surroundings = { env, workTree: realpathSync(request.workTree) }
  const path = join(place.root(surroundings), place.placeOf(surroundings, about.path))
  const script = 'umask 077; mkdir -p -- "$1" && { test -e "$2" || cat > "$2"; }'
  const command = ['sh', '-c', script, '-', dirname(path), path]
  const [file = 'sh', ...args] = request.slot ? asSlot(request.slot, command) : command
  const written = await run(file, args, {
    cwd: '/',
    env,
    timeoutMs: WRITE_MS,
    input: Buffer.from((await kept(workspace, CONVERSATION)) ?? '', 'latin1'),
  })
  if (written.exitCode !== 0) {
    agent.log('warn', 'a conversation cannot be laid back', { workspace: workspace.id, said: written.stderr.trim() })
  }
}

/** A file of it, each byte as one character. */
async function kept(workspace: Workspace, name: string): Promise<string | null> {
  const repository = salvageRepository(workspace)
  const options = { cwd: repository, env: { GIT_DIR: repository }, encoding: 'latin1' } as const
  const found = await git(['cat-file', 'blob', `${KEPT}:${name}`], { ...options, outputBytesMax: 128 * 1024 * 1024 })
  return found.exitCode === 0 ? found.stdout : null
}

function parse(text: string | null) {
  if (text === null) return null
  try {
    return aboutConversation.safeParse(JSON.parse(text)).data ?? null
  } catch {
    return null
  }
}
