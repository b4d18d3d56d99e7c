/**
 * The submodules of a folder, taken along in its bundle: each commit under a ref of its own, with the objects of the folder's
 * own clones. Nothing is fetched for it.
 */
import path from 'node:path'
import { submoduleRef } from '../../../../src/core/source.ts'
import { oneLine } from '../../../../src/text/sanitize.ts'
import { quoted } from '../../../cli/arguments.ts'
import { type Cli, say } from '../../../cli/cli.ts'
import { readingGit } from '../../../cli/git.ts'
import type { LargeFiles } from './large.ts'

/** What a bundle holds beside the commit of a task. */
export interface Beside {
  /** Names to object ids. */
  refs: Map<string, string>
  /** Folders of objects that they are in. */
  objects: Set<string>
  /** Files in Git LFS, which are among the refs and the folders. */
  large?: LargeFiles | null
}

const SUBMODULES_MAX = 200

/** Says which come along and which stay behind, with the command that brings those here. */
export async function submodulesOf(cli: Cli, top: string, commit: string): Promise<Beside> {
  const beside: Beside = { refs: new Map(), objects: new Set() }
  const pending = [{ folder: top, commit }]
  let taken = 0
  for (const { folder, commit } of pending) {
    for (const { name, oid } of await gitlinks(cli, folder, commit)) {
      const inner = path.join(folder, name)
      const objects = taken < SUBMODULES_MAX ? await objectsOf(cli, inner, oid) : null
      if (objects === null) {
        const mend = `git -C ${quoted(folder)} submodule update --init -- ${quoted(name)}`
        say(cli, `note: the submodule ${oneLine(path.relative(top, inner))} stays behind: it is not all here; ${mend}`)
        continue
      }
      taken += 1
      beside.refs.set(submoduleRef(oid), oid)
      beside.objects.add(objects)
      pending.push({ folder: inner, commit: oid })
    }
  }
  if (taken > 0) say(cli, `note: ${taken === 1 ? '1 submodule comes' : `${taken} submodules come`} along`)
  return beside
}

interface Gitlink {
  name: string
  oid: string
}

async function gitlinks(cli: Cli, folder: string, commit: string): Promise<Gitlink[]> {
  const git = readingGit(cli, folder)
  const keys = ['--get-regexp', '^submodule\\..*\\.path$']
  const declared = await git(['config', '-z', '--blob', `${commit}:.gitmodules`, ...keys])
  const paths = declared.stdout.split('\0').flatMap(entry => entry.split('\n').slice(1))
  if (paths.length === 0) return []
  const listed = await git(['ls-tree', '-z', '--full-tree', commit, '--', ...paths])
  return listed.stdout.split('\0').flatMap(line => {
    const [, oid, name] = /^160000 commit ([0-9a-f]+)\t(.+)$/s.exec(line) ?? []
    return oid === undefined || name === undefined ? [] : [{ name, oid }]
  })
}

/** Null when the commit is not there with its whole history. */
async function objectsOf(cli: Cli, folder: string, commit: string): Promise<string | null> {
  const git = readingGit(cli, folder)
  const found = await git(['rev-parse', '--is-shallow-repository', '--show-prefix', '--git-path', 'objects'])
  const [, objects] = /^false\n\n(.+)\n$/s.exec(found.stdout) ?? []
  if (found.exitCode !== 0 || objects === undefined) return null
  const whole = await git(['rev-list', '--objects', '--quiet', '--missing=print', commit])
  return whole.exitCode === 0 && whole.stdout === '' ? path.resolve(folder, objects) : null
}
