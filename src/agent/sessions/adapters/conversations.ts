/**
 * A conversation on its way: the runner takes a copy when its session ends, salvage puts it beside the work, and on the
 * next machine it is restored to where the agent looks for it. An agent has shaped the folders on the way: any of them may
 * be a link to anywhere, and none is followed.
 */
import { closeSync, existsSync, fstatSync, readdirSync, readFileSync, realpathSync } from 'node:fs'
import { basename, dirname, join, sep } from 'node:path'
import { z } from 'zod'
import { makeFolder, openBelow, writeDurable } from '../../../platform/files.ts'
import { git } from '../../../platform/git.ts'
import { bundleRefs } from '../../../platform/objects/bundle.ts'
import { run } from '../../../platform/run.ts'
import type { Agent } from '../../agent.ts'
import { messageOf } from '../../errors.ts'
import { confine } from '../../isolation/sandbox.ts'
import { asSlot, type Slot } from '../../isolation/slot.ts'
import { virtualHome } from '../../isolation/view.ts'
import { writeJson } from '../../state/durable.ts'
import { bundlePath, salvageRepository, type Workspace } from '../../workspaces/workspace.ts'
import { promptPath, type SessionRequest, type SessionState } from '../folder.ts'

export const aboutConversation = z.object({
  type: z.string(),
  resumeRef: z.string(),
  /** Below the agent's folder of conversations. */
  path: z
    .string()
    .max(512)
    .regex(/^(?!.*(?:^|\/)\.{1,2}(?:\/|$))[A-Za-z0-9._-]+(?:\/[A-Za-z0-9._-]+)*$/),
})

const CONVERSATION_BYTES_MAX = 64 * 1024 * 1024

export const conversationFolder = (session: string) => join(session, 'conversation')
export const ABOUT = 'about.json'
export const CONVERSATION = 'conversation.jsonl'

export interface Ended {
  type: string
  resumeRef: string | null
  env: Record<string, string>
  workTree: string
  /** Whose home it is, when it is not ours. */
  slot?: Slot | null
}

/** Into the session's folder; nothing when the agent keeps none, or none that may be taken. */
export function takeConversation(session: string, { type, resumeRef, env, workTree, slot = null }: Ended): void {
  const place = PLACES[type]
  if (!place || resumeRef === null) return
  try {
    const home = slot?.isVirtual ? virtualHome(workTree) : (slot?.home ?? null)
    const surroundings = {
      env: slot?.isVirtual ? { ...env, HOME: virtualHome(workTree) } : env,
      workTree: realpathSync(workTree),
    }
    const path = place.find(surroundings, resumeRef)
    if (path === null) return
    const bytes = readOwn(home, place.root(surroundings), path)
    if (bytes === null) return
    const folder = conversationFolder(session)
    makeFolder(folder)
    writeDurable(join(folder, CONVERSATION), bytes)
    writeJson(join(folder, ABOUT), aboutConversation.parse({ type, resumeRef, path }))
  } catch {
    // Without it the work is as safe as with it; only the conversation cannot go on elsewhere.
  }
}

/**
 * Null for a link, for what lies outside, and for what is too large. A home of another user is one that an agent has
 * shaped as a whole; in ours only what lies in the agent's own folder, which may itself be a link of the user's.
 */
function readOwn(home: string | null, root: string, path: string): string | null {
  const start = home !== null && root.startsWith(home + sep) ? home : realpathSync(root)
  const below = start === home ? join(root.slice(home.length + 1), path) : path
  const file = openBelow(start, below.split(sep))
  try {
    const stat = fstatSync(file)
    if (!stat.isFile() || stat.nlink !== 1 || stat.size > CONVERSATION_BYTES_MAX) return null
    return readFileSync(file, 'utf8')
  } finally {
    closeSync(file)
  }
}

/** Holds it in the salvage repository; no result may have such a name. */
const KEPT = 'refs/keep/session'
const WRITE_MS = 60_000

/** What the bundle that holds `ref` brought along as its `ref`-session, as the ref that keeps it: none when it brought none. */
export async function broughtConversation(workspace: Workspace, ref: string | null): Promise<Record<string, string>> {
  const brought = ref === null ? undefined : (await bundleRefs(bundlePath(workspace))).get(`${ref}-session`)
  return brought === undefined ? {} : { [KEPT]: brought }
}

/**
 * Goes down folder by folder and makes sure after each step that it is where it means to be; the file itself is made, never
 * opened. A link ends it with 3, a file that is there already with 0.
 */
const WRITE = `
umask 077
mkdir -p -- "$1" && cd -P -- "$1" || exit 1
here=$(pwd -P) name=$2
shift 2
for part in "$@"; do
  [ -d "$part" ] || mkdir -- "$part" || exit 1
  cd -P -- "$part" || exit 1
  here=$here/$part
  [ "$(pwd -P)" = "$here" ] || { echo "$here is a link" >&2; exit 3; }
done
[ ! -h "./$name" ] || { echo "$here/$name is a link" >&2; exit 3; }
[ ! -e "./$name" ] || exit 0
set -C
cat > "./$name"
`

/** Written as its command would write it: by its user, confined as it is. One that is there already is left alone. */
export async function restoreConversation(
  agent: Agent,
  workspace: Workspace,
  { folder, request }: Pick<SessionState, 'folder' | 'request'>,
  env: Record<string, string>,
): Promise<void> {
  if (request.resumeRef === null) return
  const about = parse(await kept(workspace, ABOUT))
  const place = about && PLACES[about.type]
  if (!place || about.type !== request.type || about.resumeRef !== request.resumeRef) return
  const surroundings = { env, workTree: realpathSync(request.workTree) }
  const path = join(basename(place.root(surroundings)), place.placeOf(surroundings, about.path))
  const words = [dirname(place.root(surroundings)), basename(path), ...dirname(path).split(sep)]
  try {
    const [file = 'sh', ...args] = await asItsCommand(
      { ...request, command: ['sh', '-c', WRITE, '-', ...words] },
      folder,
      env,
    )
    const input = Buffer.from((await kept(workspace, CONVERSATION)) ?? '', 'latin1')
    const written = await run(file, args, { cwd: '/', env, timeoutMs: WRITE_MS, input })
    if (written.exitCode !== 0) throw new Error(written.stderr.trim())
  } catch (error) {
    agent.log('warn', 'a conversation cannot be restored', { workspace: workspace.id, said: messageOf(error) })
  }
}

async function asItsCommand(request: SessionRequest, folder: string, env: Record<string, string>): Promise<string[]> {
  // Its own folders are shown by the name of its type.
  if (request.sandbox) return confine({ request, promptFile: promptPath(folder), env }, folder)
  return request.slot ? asSlot(request.slot, request.command) : request.command
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

// --- Where agents keep their conversations: one file each, which is enough to resume it elsewhere (run with both) ---

interface Surroundings {
  env: Record<string, string>
  /** As the agent sees it: without links. */
  workTree: string
}

export interface Place {
  /** The folder that all its conversations are in. */
  root(surroundings: Surroundings): string
  /** The path of a conversation in there; null when there is none of this name. */
  find(surroundings: Surroundings, resumeRef: string): string | null
  /** Where one that was found as `path` has to lie to be found here. */
  placeOf(surroundings: Surroundings, path: string): string
}

export const PLACES: Partial<Record<string, Place>> = {
  claude: {
    root: ({ env }) => join(env.CLAUDE_CONFIG_DIR ?? join(env.HOME ?? '/', '.claude'), 'projects'),
    find(surroundings, resumeRef) {
      const path = join(folderOf(surroundings), `${resumeRef}.jsonl`)
      return existsSync(join(this.root(surroundings), path)) ? path : null
    },
    // It resumes only what was begun in the same folder.
    placeOf: (surroundings, path) => join(folderOf(surroundings), path.split('/').at(-1) ?? ''),
  },
  codex: {
    root: ({ env }) => join(env.CODEX_HOME ?? join(env.HOME ?? '/', '.codex'), 'sessions'),
    find(surroundings, resumeRef) {
      const days = foldersUnder(this.root(surroundings), 3)
      for (const day of days.sort().reverse()) {
        const found = names(join(this.root(surroundings), day)).find(name => name.endsWith(`-${resumeRef}.jsonl`))
        if (found !== undefined) return join(day, found)
      }
      return null
    },
    placeOf: (_, path) => path,
  },
}

const folderOf = ({ workTree }: Surroundings) => workTree.replace(/[^A-Za-z0-9]/g, '-')

function foldersUnder(root: string, depth: number): string[] {
  if (depth === 0) return ['']
  return names(root).flatMap(name => foldersUnder(join(root, name), depth - 1).map(rest => join(name, rest)))
}

function names(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}
