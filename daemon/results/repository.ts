/** One bare repository for each source: made when first needed, written to by one at a time, never with foreign settings. */
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import path from 'node:path'
import { TdfError } from '../../src/core/errors.ts'
import { unpackBundle } from '../../src/platform/bundle.ts'
import { flush, moveDurable } from '../../src/platform/files.ts'
import { type GitOptions, git, gitOutput } from '../../src/platform/git.ts'
import type { RunResult } from '../../src/platform/run.ts'

/** Everything that comes in is on disk before a ref names it. */
const CAREFUL = ['-c', 'core.fsync=all', '-c', 'core.logAllRefUpdates=false']

export interface Repository {
  dir: string
  /** Runs git in it; throws RESULT_BROKEN with git's own words when it fails. */
  must(args: readonly string[], options?: Partial<GitOptions>): Promise<string>
  may(args: readonly string[], options?: Partial<GitOptions>): Promise<RunResult>
  /** Lets the objects of a bundle in and answers the refs that it names: see `unpackBundle`. Throws RESULT_BROKEN. */
  unpack(file: string): Promise<ReadonlyMap<string, string>>
  /** Runs `act` alone: whoever writes to the repository waits for its turn. */
  alone<T>(act: () => Promise<T>): Promise<T>
}

/**
 * The repository of a source, for objects with names of so many characters: 40 as of SHA-1, 64 as of SHA-256. Without
 * a length: the one that is there.
 */
export function repositories(folder: string): (source: string, oidLength?: number) => Promise<Repository> {
  const open = new Map<string, Promise<Repository>>()
  return (source, oidLength) => {
    const plain = createHash('sha256').update(source).digest('hex').slice(0, 16)
    const long = `${plain}-sha256`
    const isLong = oidLength === undefined ? existsSync(path.join(folder, `${long}.git`)) : oidLength === 64
    const name = isLong ? long : plain
    let repository = open.get(name)
    if (!repository) {
      repository = openRepository(path.join(folder, `${name}.git`), isLong ? 'sha256' : 'sha1')
      open.set(name, repository)
      repository.catch(() => open.delete(name))
    }
    return repository
  }
}

async function openRepository(dir: string, format: string): Promise<Repository> {
  if (!existsSync(path.join(dir, 'HEAD'))) await create(dir, format)
  let turn: Promise<unknown> = Promise.resolve()

  const may: Repository['may'] = (args, options = {}) =>
    git([...CAREFUL, '--git-dir', dir, ...args], { cwd: dir, ...options })

  return {
    dir,
    may,
    async must(args, options) {
      return gitOutput(`${args[0]} in the repository of results`, await may(args, options), broken)
    },
    unpack: file => unpackBundle(file, { objects: path.join(dir, 'objects'), git: may }),
    alone(act) {
      const mine = turn.then(act, act)
      turn = mine.catch(() => {})
      return mine
    },
  }
}

const broken = (message: string) => new TdfError('RESULT_BROKEN', message)

/** Whole or not at all: a half-made repository never gets its name. */
async function create(dir: string, format: string): Promise<void> {
  const fresh = `${dir}.new`
  await rm(fresh, { recursive: true, force: true })
  await mkdir(path.dirname(dir), { recursive: true, mode: 0o700 })
  const init = ['init', '--quiet', '--bare', '--template=', `--object-format=${format}`, fresh]
  gitOutput('init', await git(init, { cwd: path.dirname(dir) }), broken)
  for (const name of ['config', 'HEAD', '']) await flush(path.join(fresh, name))
  moveDurable(fresh, dir)
}
