/**
 * What a confined command is shown of the file system: an empty root and an empty home, and in them what is named here.
 * Nothing is hidden by a cover, which would fall off when what it covers is made anew: what is not shown is not there,
 * so that what does not exist at the start is never visible later.
 */
import { lstatSync, mkdirSync, readdirSync, readlinkSync, realpathSync, statSync } from 'node:fs'
import { basename, dirname, isAbsolute, join } from 'node:path'
import { type SessionRequest, transcriptPath } from '../sessions/folder.ts'
import { artifactsFolder } from '../workspaces/workspace.ts'
import { allOwnPlaces, inHome, isSetting, ownPlaces, SECRETS, SYSTEM, TOOLCHAINS } from './places.ts'

/**
 * `empty`: a folder in memory, to write, gone with the command. `folder`: one that leads to what is shown below it.
 * `blank`: the cover over a hidden place in a folder that may be written, where nothing else helps.
 */
export type Sight =
  | { path: string; kind: 'read' | 'write' | 'empty' | 'folder' | 'blank'; isFolder: boolean }
  | { path: string; kind: 'link'; target: string }
  /** A folder that stands in the place of the home, and stays as long as the workspace. */
  | { path: string; kind: 'home'; source: string }

export interface Confined {
  request: Pick<SessionRequest, 'sandbox' | 'type' | 'command' | 'workTree' | 'slot'>
  promptFile: string
  /** The command's own. */
  env: Record<string, string>
}

/** Parents before what lies in them. Of two words about one path the last counts. Makes the folders of a new agent. */
export function viewFor({ request, promptFile, env }: Confined): Sight[] {
  const { sandbox, type, command, workTree, slot } = request
  const home = real(env.HOME ?? '') ?? '/'
  const at = (path: string) => inHome(home, path)
  const own = slot?.isVirtual ? [] : ownPlaces(type, command, env).map(at)
  // A login in a file of its own beside them is the user's to make.
  for (const path of own.filter(one => !one.endsWith('.json'))) mkdirSync(path, { recursive: true, mode: 0o700 })
  const hidden = [...SECRETS, ...allOwnPlaces(), ...(sandbox?.hidden ?? [])].map(at).map(path => whereItIs(path))
  const sights = new Map<string, Sight>()
  const show = (kind: 'read' | 'write' | 'empty', paths: readonly string[]) => {
    for (const path of paths.map(at)) for (const sight of seen(path, kind)) sights.set(sight.path, sight)
  }
  const notHidden = (paths: readonly string[]) =>
    paths.filter(path => !hidden.some(one => one === whereItIs(at(path)) || isBelow(whereItIs(at(path)), one)))
  const settings = namesIn('/etc').filter(isSetting)
  show('read', notHidden([...SYSTEM, ...settings.map(name => join('/etc', name)), ...searchPath(env, home)]))
  show('empty', ['/tmp', '/var/tmp', ...(home === '/' ? [] : [env.HOME ?? home])])
  if (slot?.isVirtual && home !== '/') sights.set(home, { path: home, kind: 'home', source: virtualHome(workTree) })
  // Below what is empty, so once more.
  show('read', notHidden([...TOOLCHAINS, ...searchPath(env, home), ...programPlaces(command, env)]))
  show('read', ['/etc/resolv.conf', ...(sandbox?.readable ?? [])])
  show('write', [...own, ...(sandbox?.writable ?? [])])
  show('read', [promptFile, transcriptPath(dirname(promptFile))])
  show('write', [workTree, artifactsFolder(workTree)])
  return ordered(withHidden(sights, hidden))
}

/** What a virtual user has for a home: beside its workspace, so that a conversation can go on there. */
export const virtualHome = (workTree: string) => join(dirname(workTree), 'home')

const depth = (path: string) => path.split('/').length
const isBelow = (path: string, folder: string) => path.startsWith(folder === '/' ? '/' : `${folder}/`)

function ordered(shown: Map<string, Sight>): Sight[] {
  // Named, since bwrap would make them as closed as the umask says.
  const ways = [...shown.keys()]
    .flatMap(parentsOf)
    .map(path => [path, { path, kind: 'folder', isFolder: true }] as const)
  const sights = [...new Map<string, Sight>([...ways, ...shown]).values()]
  return sights.filter(sight => !isThere(sight, sights)).sort((one, other) => depth(one.path) - depth(other.path))
}

function parentsOf(path: string): string[] {
  const parent = dirname(path)
  return parent === '/' ? [] : [parent, ...parentsOf(parent)]
}

/** What lies in what is shown whole, with nothing empty between them. */
function isThere({ path, kind }: Sight, sights: readonly Sight[]): boolean {
  const deepest = (...kinds: Sight['kind'][]) =>
    Math.max(
      0,
      ...sights.filter(one => kinds.includes(one.kind) && isBelow(path, one.path)).map(one => depth(one.path)),
    )
  if (kind !== 'read' && kind !== 'link' && kind !== 'folder') return false
  const whole = kind === 'read' ? deepest('read') : deepest('read', 'write')
  return whole > deepest('empty', 'blank', 'home', ...(kind === 'read' ? (['write'] as const) : []))
}

/** A place where it really is, and the links that lead there. Nothing when it is not there. */
function seen(path: string, kind: 'read' | 'write' | 'empty'): Sight[] {
  const found = real(path)
  if (found === null) return []
  return [...linksTo(path), { path: found, kind, isFolder: statSync(found).isDirectory() }]
}

function linksTo(path: string): Sight[] {
  const links: Sight[] = []
  let rest = path
  // Forty links are as many as the kernel follows (path_resolution(7)).
  for (let count = 0; count < 40; count++) {
    const link = firstLink(rest)
    if (link === null) return links
    const target = readlinkSync(link)
    links.push({ path: link, kind: 'link', target })
    rest = join(isAbsolute(target) ? target : join(dirname(link), target), rest.slice(link.length))
  }
  return links
}

function firstLink(path: string): string | null {
  const parts = path.split('/')
  for (let end = 2; end <= parts.length; end++) {
    const place = parts.slice(0, end).join('/')
    if (lstatSync(place, { throwIfNoEntry: false })?.isSymbolicLink()) return place
  }
  return null
}

function real(path: string): string | null {
  try {
    return path === '' ? null : realpathSync(path)
  } catch {
    return null
  }
}

/** Without links, also of what is not there yet. */
function whereItIs(path: string): string {
  const parent = dirname(path)
  return real(path) ?? (parent === path ? path : join(whereItIs(parent), basename(path)))
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

/** Folders of the search path, but none that holds the home. */
function searchPath({ PATH = '' }: Confined['env'], home: string): string[] {
  return PATH.split(':').filter(path => isAbsolute(path) && !isBelow(`${home}/`, whereItIs(path)))
}

const INTERPRETERS = /\/(?:node|bun|deno|python[\d.]*|ruby|perl|php|sh|bash|zsh)$/

/** The program, with the modules that it lies among, and the script of an interpreter. */
function programPlaces([program = '', script = '']: readonly string[], { PATH = '' }: Confined['env']): string[] {
  const candidates = program.includes('/') ? [program] : PATH.split(':').map(folder => join(folder || '.', program))
  const path = candidates.find(one => isAbsolute(one) && isFile(one))
  if (path === undefined) return []
  const places = [path, ...(INTERPRETERS.test(path) && isAbsolute(script) && isFile(script) ? [script] : [])]
  return places.flatMap(place => {
    const [, modules] = /^(.*?\/node_modules)\//.exec(whereItIs(place)) ?? []
    return [place, ...(modules ? [modules] : [])]
  })
}

function isFile(path: string): boolean {
  try {
    return statSync(path).isFile()
  } catch {
    return false
  }
}

/** Takes the hidden places out of what is shown whole: their folder is made anew, with everything else that is in it. */
function withHidden(sights: Map<string, Sight>, hidden: readonly string[]): Map<string, Sight> {
  const kept = new Map<string, Sight>()
  for (const sight of sights.values()) {
    const inside = hidden.filter(path => isBelow(path, sight.path) && !sights.has(path))
    const isTree = sight.kind === 'read' && sight.isFolder
    const parts = isTree ? without(sight.path, inside) : [sight]
    const covers = sight.kind === 'write' ? inside.flatMap(cover) : []
    for (const part of [...parts, ...covers]) if (part === sight || !sights.has(part.path)) kept.set(part.path, part)
    if (isTree && !kept.has(sight.path)) kept.set(sight.path, parts[0] ?? sight)
  }
  return kept
}

function without(folder: string, hidden: readonly string[]): Sight[] {
  if (hidden.length === 0) return [{ path: folder, kind: 'read', isFolder: true }]
  const parts = namesIn(folder).flatMap((name): Sight[] => {
    const path = join(folder, name)
    if (hidden.includes(path)) return []
    const entry = lstatSync(path, { throwIfNoEntry: false })
    if (entry?.isSymbolicLink()) return [{ path, kind: 'link', target: readlinkSync(path) }]
    if (entry?.isDirectory()) {
      return without(
        path,
        hidden.filter(one => isBelow(one, path)),
      )
    }
    return entry?.isFile() ? [{ path, kind: 'read', isFolder: false }] : []
  })
  return [{ path: folder, kind: 'folder', isFolder: true }, ...parts]
}

/** In a folder that may be written nothing else helps: what the command makes there has to stay. */
function cover(path: string): Sight[] {
  const found = lstatSync(path, { throwIfNoEntry: false })
  return found ? [{ path, kind: 'blank', isFolder: found.isDirectory() }] : []
}
