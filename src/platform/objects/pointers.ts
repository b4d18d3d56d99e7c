/** Pointers of Git LFS: the small files that git has in place of large ones (git-lfs-spec, "The Pointer"). */
import { TdfError } from '../../core/errors.ts'
import { gitOutput } from '../git.ts'
import type { RunOptions, RunResult } from '../run.ts'

/** Runs git in one repository. */
export type RunGit = (
  args: readonly string[],
  options?: Partial<
    Pick<RunOptions, 'outputFile' | 'encoding' | 'outputBytesMax' | 'timeoutMs' | 'env' | 'signal'> & { input: string }
  >,
) => Promise<RunResult>

export interface Pointer {
  /** Of the content, in hex: what the object is called. */
  sha256: string
  /** Of the content. */
  bytes: number
}

/** A pointer and the blob that it is. */
export interface PointerBlob extends Pointer {
  blob: string
}

const PATTERN =
  /^version https:\/\/git-lfs\.github\.com\/spec\/v1\n(?:ext-[^\n]*\n)*oid sha256:([0-9a-f]{64})\nsize (\d{1,15})\n$/
/** The specification bounds a pointer so; none is shorter than the three lines of it. */
const BYTES_MAX = 1024
const BYTES_MIN = 100
const BATCH_BLOBS = 2_000
const LIST_BYTES_MAX = 256 * 1024 * 1024

/** Null when the text is no pointer. */
export function pointerIn(text: string): Pointer | null {
  const [, sha256, bytes] = PATTERN.exec(text) ?? []
  return sha256 === undefined ? null : { sha256, bytes: Number(bytes) }
}

/** As git-lfs itself writes it. */
export const pointerText = ({ sha256, bytes }: Pointer) =>
  `version https://git-lfs.github.com/spec/v1\noid sha256:${sha256}\nsize ${bytes}\n`

export const mayBePointer = (bytes: number) => bytes >= BYTES_MIN && bytes < BYTES_MAX

/** What files of a commit point to, each once. Cheap where no `.gitattributes` of it speaks of Git LFS. Throws REPOSITORY_UNREADABLE. */
export async function pointersOf(git: RunGit, commit: string): Promise<PointerBlob[]> {
  const attributes = ['.gitattributes', '*/.gitattributes']
  const speaks = await git(['grep', '--quiet', '-e', 'filter=lfs', commit, '--', ...attributes])
  if (speaks.exitCode !== 0) return []
  const listed = await must(git, ['ls-tree', '-r', '-l', '-z', '--full-tree', commit])
  const small = [...listed.matchAll(/(?:^|\0)100\d+ blob ([0-9a-f]+) +(\d+)\t/g)].flatMap(([, blob = '', bytes]) =>
    mayBePointer(Number(bytes)) ? [blob] : [],
  )
  const found = await pointersAmong(git, new Set(small))
  return [...new Map(found.map(pointer => [pointer.sha256, pointer])).values()]
}

/** Those of the blobs, each under 1 KiB, that are pointers. Throws REPOSITORY_UNREADABLE. */
export async function pointersAmong(git: RunGit, blobs: Iterable<string>): Promise<PointerBlob[]> {
  const all = [...blobs]
  const found: PointerBlob[] = []
  for (let at = 0; at < all.length; at += BATCH_BLOBS) {
    const input = all.slice(at, at + BATCH_BLOBS).map(blob => `${blob}\n`)
    const contents = await must(git, ['cat-file', '--batch'], input.join(''))
    for (let from = 0; from < contents.length; ) {
      // `ID blob BYTES`, the content, the end of a line (git-cat-file(1), BATCH OUTPUT).
      const end = contents.indexOf('\n', from)
      const [blob = '', , bytes] = contents.slice(from, end).split(' ')
      const text = contents.slice(end + 1, end + 1 + Number(bytes))
      const pointer = pointerIn(text)
      if (pointer !== null) found.push({ ...pointer, blob })
      from = end + 1 + text.length + 1
    }
  }
  return found
}

/** What git printed, a character a byte. */
export async function must(git: RunGit, args: readonly string[], input = ''): Promise<string> {
  const ran = await git(args, { input, encoding: 'latin1', outputBytesMax: LIST_BYTES_MAX })
  return gitOutput(args[0] ?? '', ran, message => new TdfError('REPOSITORY_UNREADABLE', message))
}
