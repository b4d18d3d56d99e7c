/**
 * Bundles of git that come from a place which is not trusted: unpacked into a quarantine beside the repository's objects,
 * checked object by object, and only then let in. `git fetch` does not do that: before 2.46 it ignores
 * `transfer.fsckObjects` for a bundle (git 2.46 release notes).
 */
import { createReadStream } from 'node:fs'
import { type FileHandle, mkdir, mkdtemp, open, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Readable } from 'node:stream'
import { TdfError } from '../../core/errors.ts'
import { moveDurable } from '../files.ts'
import { isFullRef } from '../git.ts'
import type { RunResult } from '../run.ts'

export interface BundleTarget {
  /** The folder of its objects. */
  objects: string
  /** It gets this bundle and no other: the pack stays as it is, however small. */
  isFresh?: boolean
  /** Runs git in the repository, with these variables beside its own. */
  git(args: readonly string[], options: BundleGitOptions): Promise<RunResult>
}

export interface BundleGitOptions {
  env: Record<string, string>
  timeoutMs: number
  input: string | Readable
}

const HEADER_BYTES_MAX = 16 * 1024 * 1024
const CHUNK_BYTES = 64 * 1024
/** Under so many objects they are unpacked one by one, as a fetch does (git-config(1), fetch.unpackLimit). */
const UNPACK_OBJECTS_MAX = 100
/**
 * The most that git may ask for at once: a delta of a few bytes can stand for any size. Larger files come whole, which
 * needs no memory (git-config(1), core.bigFileThreshold).
 */
const ALLOC_LIMIT = '1g'
const UNPACK_MS = 60_000
const UNPACK_MS_PER_MIB = 2_000
const CHECK_TRIES = 3

/**
 * Old histories are full of these; they are ugly, not dangerous (git-fsck(1), FSCK MESSAGES). What a `.gitmodules` may not
 * say is not among them: programs act on it.
 */
export const HARMLESS = [
  ...['zeroPaddedFilemode', 'missingSpaceBeforeDate', 'badTimezone', 'missingNameBeforeEmail', 'badDate', 'nullSha1'],
  ...['missingEmail', 'badEmail', 'missingSpaceBeforeEmail', 'badDateOverflow', 'multipleAuthors'],
]

interface Header {
  refs: Map<string, string>
  prerequisites: string[]
  /** Where the pack begins, in bytes. */
  length: number
}

/** What a bundle names, by full name of the ref: unproven. Throws RESULT_BROKEN when it is no bundle. */
export async function bundleRefs(file: string): Promise<ReadonlyMap<string, string>> {
  return (await bundleHeader(file)).refs
}

/** The same with the commits that it builds on. */
export async function bundleHeader(file: string): Promise<Pick<Header, 'refs' | 'prerequisites'>> {
  const handle = await open(file, 'r')
  try {
    return await readHeader(handle)
  } finally {
    await handle.close()
  }
}

/**
 * Lets the objects of a bundle in, all of them or none, and answers the refs that it names; no ref is made. Each object
 * is well formed, everything that it links to is here, and each ref names an object that is here. Throws RESULT_BROKEN.
 */
export async function unpackBundle(file: string, target: BundleTarget): Promise<ReadonlyMap<string, string>> {
  const handle = await open(file, 'r')
  // A name that git itself uses and clears up after (git-prune(1)), should the power fail now.
  const quarantine = await mkdtemp(path.join(target.objects, 'tmp_objdir-tdf-'))
  try {
    const header = await readHeader(handle)
    const objects = await countObjects(handle, header.length)
    await mkdir(path.join(quarantine, 'info'))
    // Relative to the folder of objects that it stands in.
    await writeFile(path.join(quarantine, 'info', 'alternates'), '../\n')
    if (objects > 0) await check(file, header, target, quarantine)
    await proveRefs(header, target, quarantine)
    if (objects > 0) await letIn(objects, target, quarantine)
    return header.refs
  } finally {
    await handle.close()
    await rm(quarantine, { recursive: true, force: true })
  }
}

const broken = (why: string) => new TdfError('RESULT_BROKEN', `the bundle was not taken: ${why}`)

/** `# v2 git bundle`, prerequisites as `-ID comment`, refs as `ID name`, an empty line (gitformat-bundle(5)). */
async function readHeader(handle: FileHandle): Promise<Header> {
  const bytes = await headerBytes(handle)
  const [signature = '', ...lines] = decode(bytes).split('\n').slice(0, -2)
  if (!/^# v[23] git bundle$/.test(signature)) throw broken('it is no git bundle')
  const header: Header = { refs: new Map(), prerequisites: [], length: bytes.length }
  for (const line of lines) {
    if (line.startsWith('@')) {
      if (!/^@object-format=sha(1|256)$/.test(line)) throw broken(`it asks for ${line.slice(1, 100)}`)
      continue
    }
    const [, minus, oid = '', name = ''] = /^(-?)([0-9a-f]{40}(?:[0-9a-f]{24})?)(?: (.*))?$/.exec(line) ?? []
    if (oid === '') throw broken('its header cannot be read')
    if (minus) header.prerequisites.push(oid)
    else if (!isFullRef(name) || header.refs.has(name)) throw broken(`it names ${JSON.stringify(name.slice(0, 100))}`)
    else header.refs.set(name, oid)
  }
  return header
}

async function headerBytes(handle: FileHandle): Promise<Buffer> {
  let bytes = Buffer.alloc(0)
  while (bytes.length < HEADER_BYTES_MAX) {
    const chunk = Buffer.alloc(CHUNK_BYTES)
    const { bytesRead } = await handle.read(chunk, 0, chunk.length, bytes.length)
    if (bytesRead === 0) break
    const from = Math.max(bytes.length - 1, 0)
    bytes = Buffer.concat([bytes, chunk.subarray(0, bytesRead)])
    const end = bytes.indexOf('\n\n', from)
    if (end >= 0) return bytes.subarray(0, end + 2)
  }
  throw broken('it is no git bundle')
}

function decode(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw broken('its refs have names that are not UTF-8')
  }
}

/** As its header says (gitformat-pack(5)); git proves it. */
async function countObjects(handle: FileHandle, from: number): Promise<number> {
  const head = Buffer.alloc(12)
  const { bytesRead } = await handle.read(head, 0, head.length, from)
  if (bytesRead < head.length || head.toString('latin1', 0, 4) !== 'PACK') throw broken('it holds no pack')
  return head.readUInt32BE(8)
}

/** What the repository had before is not judged again: it may have come by another way, from an honest old history. */
async function check(file: string, header: Header, target: BundleTarget, quarantine: string): Promise<void> {
  const scratch = await mkdtemp(path.join(tmpdir(), 'tdf-unpack-'))
  try {
    const known = new Set<string>()
    for (let tries = 1; ; tries++) {
      const indexed = await index(file, header, target, quarantine, await severities(scratch, known))
      if (indexed.exitCode === 0) return
      const before = known.size
      for (const oid of await knownOf(indexed.stderr, target)) known.add(oid)
      if (known.size === before || tries === CHECK_TRIES) throw broken(reasonOf(indexed))
    }
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
}

async function index(
  file: string,
  { length }: Header,
  target: BundleTarget,
  quarantine: string,
  severity: string,
): Promise<RunResult> {
  return target.git(['index-pack', '--stdin', '--fix-thin', `--strict=${severity}`], {
    env: { GIT_OBJECT_DIRECTORY: quarantine, GIT_ALLOC_LIMIT: ALLOC_LIMIT },
    timeoutMs: await timeFor(file),
    input: createReadStream(file, { start: length }),
  })
}

const timeFor = async (file: string) => UNPACK_MS + ((await stat(file)).size / 1024 ** 2) * UNPACK_MS_PER_MIB

/** For `--strict`, which splits at spaces and commas. */
async function severities(scratch: string, known: ReadonlySet<string>): Promise<string> {
  const ignored = HARMLESS.map(message => `${message}=ignore`).join(',')
  if (known.size === 0 || /[ ,|]/.test(scratch)) return ignored
  const list = path.join(scratch, 'known')
  await writeFile(list, `${[...known].sort().join('\n')}\n`)
  return `${ignored},skipList=${list}`
}

/** Of the objects that git complains of, those that were here before. */
async function knownOf(said: string, target: BundleTarget): Promise<string[]> {
  const named = [...new Set([...said.matchAll(/\b([0-9a-f]{40}(?:[0-9a-f]{24})?): /g)].map(match => match[1] ?? ''))]
  if (named.length === 0) return []
  const input = `${named.join('\n')}\n`
  const checked = await target.git(['cat-file', '--batch-check'], { env: {}, timeoutMs: UNPACK_MS, input })
  const lines = checked.stdout.split('\n')
  return named.filter((_, at) => lines[at] !== undefined && !lines[at]?.endsWith(' missing'))
}

function reasonOf({ stderr, timedOut }: RunResult): string {
  return timedOut ? 'unpacking it took too long' : stderr.trim().slice(-2_000)
}

async function proveRefs(header: Header, target: BundleTarget, quarantine: string): Promise<void> {
  const named = [...new Set([...header.prerequisites, ...header.refs.values()])]
  if (named.length === 0) throw broken('it names no ref')
  const checked = await target.git(['cat-file', '--batch-check'], {
    env: { GIT_OBJECT_DIRECTORY: quarantine },
    timeoutMs: UNPACK_MS,
    input: `${named.join('\n')}\n`,
  })
  if (checked.exitCode !== 0) throw broken(reasonOf(checked))
  const lines = checked.stdout.split('\n')
  const missing = named.find((_, at) => !/ (?:commit|tag|tree|blob) \d+$/.test(lines[at] ?? ''))
  if (missing === undefined) return
  throw broken(
    header.prerequisites.includes(missing)
      ? `it builds on ${missing}, which is not here`
      : `it names ${missing}, which it does not hold`,
  )
}

/** The index comes last: without it a pack is not there. */
const PARTS = ['.pack', '.rev', '.idx']

async function letIn(objects: number, target: BundleTarget, quarantine: string): Promise<void> {
  const from = path.join(quarantine, 'pack')
  const names = await readdir(from)
  const pack = names.find(name => name.endsWith('.pack'))
  if (!pack) throw broken('git made no pack of it')
  if (!target.isFresh && objects < UNPACK_OBJECTS_MAX) return unpackLoose(path.join(from, pack), target)
  const to = path.join(target.objects, 'pack')
  await mkdir(to, { recursive: true })
  for (const part of PARTS) {
    for (const name of names.filter(one => one.endsWith(part))) moveDurable(path.join(from, name), path.join(to, name))
  }
}

async function unpackLoose(pack: string, target: BundleTarget): Promise<void> {
  const unpacked = await target.git(['unpack-objects', '-q'], {
    env: { GIT_ALLOC_LIMIT: ALLOC_LIMIT },
    timeoutMs: await timeFor(pack),
    input: createReadStream(pack),
  })
  if (unpacked.exitCode !== 0) throw broken(reasonOf(unpacked))
}
