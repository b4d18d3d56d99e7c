/** `tdf artifacts`: what a run left to look at, listed, and fetched from the daemon's own copy. */
import { existsSync, lstatSync } from 'node:fs'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import path from 'node:path'
import { matchesGlob, parseGlob } from '../../src/config/glob.ts'
import { TdfError } from '../../src/core/errors.ts'
import { hashFile, publishFile } from '../../src/platform/files.ts'
import type { TaskJson } from '../../src/protocol/control.ts'
import { oneLine } from '../../src/text/sanitize.ts'
import { counted, sizeText } from '../../src/text/tasks.ts'
import { type Cli, type Format, print, printJson, type Shape, say } from '../cli/cli.ts'
import { type Column, printList } from '../cli/table.ts'
import { attemptOf } from './taken.ts'

type Artifact = TaskJson['artifacts'][number]

const FETCH_MS = 600_000

const COLUMNS: readonly Column<Artifact>[] = [
  { title: 'SIZE', of: ({ bytes }) => sizeText(bytes), sortBy: ({ bytes }) => bytes },
  { title: 'FROM', of: ({ from }) => from },
  { title: 'SHA256', of: ({ sha256 }) => sha256, wide: true },
  { title: 'PATH', of: one => oneLine(one.path) },
]

export async function listArtifacts(cli: Cli, reference: string, shape: Shape): Promise<void> {
  const task = await taskOf(cli, reference)
  const { artifacts } = task
  const isForPeople = shape.format === 'table' || shape.format === 'wide'
  if (artifacts.length === 0 && isForPeople) return say(cli, `task ${task.id} has no artifacts: ${NONE}`)
  printList(cli, shape, artifacts, { columns: COLUMNS, id: ({ path }) => path })
}

const NONE = 'tdf submit --artifacts names files to keep, and all in $TDF_ARTIFACTS is kept'

const taskOf = (cli: Cli, reference: string) =>
  cli.client().call<TaskJson>({ path: `/tasks/${encodeURIComponent(reference)}` })

/** Each is whole and as the node saw it, or is not there. Throws NOT_FOUND, WRONG_STATE or RESULT_BROKEN. */
export async function getArtifacts(
  cli: Cli,
  reference: string,
  { glob, to, format }: { glob: string | undefined; to: string | undefined; format: Format },
): Promise<void> {
  const task = await taskOf(cli, reference)
  const wanted = glob === undefined ? task.artifacts : task.artifacts.filter(one => isMeant(glob, one.path))
  if (wanted.length === 0) {
    const what = glob === undefined ? 'no artifacts' : `no artifact that "${glob}" names`
    throw new TdfError('NOT_FOUND', `attempt ${task.attempt} of task ${task.id} has ${what}`, {
      hint: `tdf artifacts ${task.id}`,
    })
  }
  const folder = path.resolve(cli.cwd, to ?? `${task.id}-artifacts`)
  await mkdir(folder, { recursive: true })
  const scratch = await mkdtemp(path.join(folder, '.tdf-'))
  try {
    for (const one of wanted) await fetchOne(cli, task, one, folder, path.join(scratch, 'artifact'))
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
  if (format === 'json' || format === 'ndjson') return printJson(cli, { taskId: task.id, folder, artifacts: wanted })
  say(cli, `${counted(wanted.length, 'file')} in ${folder}`)
  print(cli, folder)
}

const isMeant = (glob: string, name: string) => name === glob || matchesGlob(parseGlob(glob), name)

async function fetchOne(cli: Cli, task: TaskJson, one: Artifact, folder: string, download: string): Promise<void> {
  const target = placeIn(folder, one.path)
  if (existsSync(target) && lstatSync(target).isFile() && (await hashFile(target)) === one.sha256) return
  if (lstatSync(target, { throwIfNoEntry: false })) {
    throw new TdfError('WRONG_STATE', `${target} is there already and is something else`, {
      hint: `tdf artifacts get ${task.id} --to another-folder`,
    })
  }
  const query = new URLSearchParams({ path: one.path })
  await cli.client().raw({ path: `/tasks/${attemptOf(task)}/artifact?${query}`, download, timeoutMs: FETCH_MS })
  if ((await hashFile(download)) !== one.sha256) {
    throw new TdfError('RESULT_BROKEN', `${one.path} is not what the node saw`, { hint: `tdf show ${task.id}` })
  }
  await mkdir(path.dirname(target), { recursive: true })
  await publishFile(download, target)
}

/** Within the folder and by no link out of it. Throws RESULT_BROKEN. */
function placeIn(folder: string, name: string): string {
  const parts = name.split('/')
  const isOdd = parts.some(part => part === '' || part === '.' || part === '..' || part.includes('\0'))
  const ways = parts.slice(0, -1).map((_, at) => path.join(folder, ...parts.slice(0, at + 1)))
  const isLink = ways.some(way => lstatSync(way, { throwIfNoEntry: false })?.isSymbolicLink())
  if (!isOdd && !isLink) return path.join(folder, name)
  throw new TdfError('RESULT_BROKEN', `"${oneLine(name)}" leads out of ${folder}`, { hint: 'tdf artifacts --help' })
}
