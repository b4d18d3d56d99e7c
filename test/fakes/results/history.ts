/** Commits as a model: each has parents and a tree of files with one value each, and two are merged file by file. */
import { createHash } from 'node:crypto'
import type { Repository } from '../../../daemon/results/repository.ts'

export interface FakeHistory {
  /** Answers its name: the same parents, files and words give the same. */
  commit(parents: readonly string[], files: Files, words: string): string
  /** One that an agent made, whose name is known. It changes a file that others change too, and one of its own. */
  add(name: string, parent: string): void
  has(name: string): boolean
  reaches(from: string, to: string): boolean
  filesOf(name: string): Files
  wordsOf(name: string): string
  parentsOf(name: string): readonly string[]
  /** What the daemon sees of it through git. */
  repository: Repository
}

type Files = ReadonlyMap<string, string>

/** Where every repository of the models begins. */
export const ROOT = '1'.repeat(40)
/** So many files are changed by several. */
const SHARED = 12

const oidOf = (text: string) => createHash('sha1').update(text).digest('hex')

export function fakeHistory(): FakeHistory {
  const commits = new Map<string, { parents: readonly string[]; tree: string; words: string }>()
  const trees = new Map<string, Files>()

  function treeOf(files: Files): string {
    const tree = oidOf(JSON.stringify([...files].sort()))
    trees.set(tree, files)
    return tree
  }
  commits.set(ROOT, { parents: [], tree: treeOf(new Map()), words: 'the first' })

  const of = (name: string) => {
    const found = commits.get(name)
    if (!found) throw new Error(`nobody made ${name}`)
    return found
  }
  const filesOf = (name: string) => trees.get(of(name).tree) ?? new Map()

  /** It and all before it, the nearest first. */
  function reached(name: string): Set<string> {
    const seen = new Set([name])
    for (const one of seen) for (const parent of commits.get(one)?.parents ?? []) seen.add(parent)
    return seen
  }
  const reaches = (from: string, to: string) => commits.has(to) && reached(from).has(to)

  function make(tree: string, parents: readonly string[], words: string): string {
    const name = oidOf(JSON.stringify([tree, parents, words]))
    commits.set(name, { parents, tree, words })
    return name
  }

  function merged(ours: string, theirs: string): { tree: string; conflicts: string[] } {
    const ahead = reached(theirs)
    const base = filesOf([...reached(ours)].find(one => ahead.has(one)) ?? ROOT)
    const [mine, other] = [filesOf(ours), filesOf(theirs)]
    const names = [...new Set([...mine.keys(), ...other.keys()])]
    const conflicts = names.filter(file => {
      const [was, here, there] = [base.get(file), mine.get(file), other.get(file)]
      return here !== there && here !== was && there !== was
    })
    const files = names.flatMap((file): [string, string][] => {
      const value = mine.get(file) === base.get(file) ? other.get(file) : mine.get(file)
      return value === undefined ? [] : [[file, value]]
    })
    return { tree: treeOf(new Map(files)), conflicts }
  }

  function git(args: readonly string[], input = ''): string | null {
    const words = args.filter(word => !word.startsWith('--'))
    const [verb, ...rest] = words
    const last = rest.at(-1) ?? ''
    if (verb === 'merge-base') return reaches(last, rest[0] ?? '') ? '' : null
    if (verb === 'cat-file') return commits.has(last.replace('^{tree}', '')) ? '' : null
    if (verb === 'rev-parse' && /\^\d$/.test(last)) return of(last.slice(0, -2)).parents.join('\n')
    if (verb === 'rev-parse') return commits.get(last.replace(/\^\{\w+\}$/, ''))?.tree ?? null
    // No agent of the models leaves marks of a conflict.
    if (verb === 'grep') return null
    if (verb === 'update-ref') return ''
    if (verb === 'commit-tree') {
      const parents = rest.filter((_, at) => rest[at - 1] === '-p')
      return make(rest[0] ?? '', parents, input || last)
    }
    throw new Error(`the model knows no git ${verb}`)
  }

  const repository: Repository = {
    dir: '/nonexistent',
    async must(args, options) {
      const out = git(args, String(options?.input ?? ''))
      if (out === null) throw new Error(`git ${args.join(' ')} failed`)
      return out
    },
    async may(args, options) {
      const ended = (exitCode: number, stdout: string) => {
        return { exitCode, stdout, stderr: '', signal: null, timedOut: false }
      }
      if (args[0] === 'merge-tree') {
        const [ours = '', theirs = ''] = args.slice(-2)
        const { tree, conflicts } = merged(ours, theirs)
        return ended(conflicts.length > 0 ? 1 : 0, [tree, ...conflicts].join('\0'))
      }
      const out = git(args, String(options?.input ?? ''))
      return ended(out === null ? 1 : 0, out ?? '')
    },
    unpack: async () => new Map(),
    alone: act => act(),
    shared: (_key, act) => act(),
    save: async () => {},
  }

  return {
    ...{ reaches, filesOf, repository, has: name => commits.has(name), wordsOf: name => of(name).words },
    parentsOf: name => of(name).parents,
    commit: (parents, files, words) => make(treeOf(files), parents, words),
    add(name, parent) {
      if (commits.has(name)) return
      const number = Number.parseInt(name.slice(0, 8), 16)
      const files = new Map(filesOf(commits.has(parent) ? parent : ROOT))
      files.set(`own-${name.slice(0, 12)}`, name)
      if (number % 2 === 0) files.set(`shared-${number % SHARED}`, name)
      commits.set(name, { parents: [parent], tree: treeOf(files), words: 'by an agent' })
    },
  }
}
