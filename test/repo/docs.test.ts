/** What the pages say of the repository is true: the tree of folders, the paths that they name, the picture of the journey. */
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { LEAVINGS } from '../../src/core/saved.ts'
import { LANDING_EDGES } from '../../src/store/tables/landings.ts'
import { WATCH_EDGES } from '../../src/store/tables/pushes.ts'
import { journeyPicture, statesPicture } from '../support/journey-picture.ts'

const ARCHITECTURE = 'docs/architecture.md'
const TREE_LINES_MAX = 50
const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], { encoding: 'utf8' })
  .split('\n')
  .filter(Boolean)
const folders = new Set(files.flatMap(parents))
const names = new Set(files.map(file => path.basename(file)))

function parents(file: string): string[] {
  const folder = path.dirname(file)
  return folder === '.' ? [] : [...parents(folder), folder]
}

describe('the architecture', () => {
  const text = readFileSync(ARCHITECTURE, 'utf8')

  it('begins with a tree of every folder and what it is for', () => {
    const lines = /```\n([\s\S]*?)\n```/.exec(text)?.[1]?.split('\n') ?? []
    expect(lines.length).toBeLessThanOrEqual(TREE_LINES_MAX)
    expect(lines.filter(line => !/^ *(?:[\w-]+\/ )+ *[A-Za-z]/.test(line))).toEqual([])
    // Tests mirror what they test; of them the tree has the first level.
    const wanted = [...folders].filter(folder => /^(?:commands|daemon|src)\b|^test(?:\/[\w-]+)?$/.test(folder))
    expect(foldersOf(lines).sort()).toEqual(wanted.sort())
  })

  it('shows the journey as the engine runs it', () => {
    const [before, after] = [text.split('<!-- journey -->')[0], text.split('<!-- /journey -->')[1]]
    const drawn = `${before}<!-- journey -->\n${journeyPicture()}\n<!-- /journey -->${after}`
    if (process.env.TDF_GOLDEN) writeFileSync(ARCHITECTURE, drawn)
    expect(text).toBe(drawn)
  })
})

describe('the page on agents', () => {
  it('shows what an agent can leave, and what becomes of it, as the code has it', () => {
    const page = 'docs/agents.md'
    const text = readFileSync(page, 'utf8')
    const [before, after] = [text.split('<!-- leavings -->')[0], text.split('<!-- /leavings -->')[1]]
    const rows = LEAVINGS.map(({ what, becomes }) => `| ${what} | ${becomes} |`).join('\n')
    const drawn = `${before}<!-- leavings -->\n\n| what | becomes |\n|---|---|\n${rows}\n\n<!-- /leavings -->${after}`
    if (process.env.TDF_GOLDEN) writeFileSync(page, drawn)
    expect(text).toBe(drawn)
  })
})

/** `name/ inner/ other/  what for`: a folder by its indentation, with folders in it on the same line. */
function foldersOf(lines: readonly string[]): string[] {
  const open: string[] = []
  return lines.flatMap(line => {
    const depth = line.search(/\S/) / 2
    const [first = '', ...inner] = /^ *((?:[\w-]+\/ )+)/.exec(line)?.[1]?.trim().split('/ ') ?? []
    const folder = [...open.slice(0, depth), first.replace('/', '')].join('/')
    open.splice(depth, Infinity, first.replace('/', ''))
    return [folder, ...inner.map(name => `${folder}/${name.replace('/', '')}`)]
  })
}

describe('the page on results', () => {
  const page = 'docs/results.md'
  it.each([
    ['landing', statesPicture(LANDING_EDGES, 'waiting', 'tdf land')],
    ['watch', statesPicture(WATCH_EDGES, 'watching', 'a pull request is opened, or tdf pr watch')],
  ])('shows the states of a %s as its table has them', (name, picture) => {
    const text = readFileSync(page, 'utf8')
    const [before, after] = [text.split(`<!-- ${name} -->`)[0], text.split(`<!-- /${name} -->`)[1]]
    const drawn = `${before}<!-- ${name} -->\n${picture}\n<!-- /${name} -->${after}`
    if (process.env.TDF_GOLDEN) writeFileSync(page, drawn)
    expect(text).toBe(drawn)
  })
})

describe('every path that is named exists', () => {
  const PATH = /(?<![\w/.@-])(?:commands|daemon|src|test|docs|bin)\/[\w./*<>-]*[\w*>/]/g
  const NAME = /`([\w-]+\.tsx?)`/g

  function missing(text: string): string[] {
    const paths = (text.match(PATH) ?? []).map(found => found.replace(/[/.]+$/, ''))
    const bare = [...text.matchAll(NAME)].map(([, name = '']) => name)
    return [
      ...paths.filter(name => !/[*<]/.test(name) && !files.includes(name) && !folders.has(name)),
      ...bare.filter(name => !names.has(name)),
    ]
  }

  it('in the pages', () => {
    const pages = files.filter(file => /^docs\/.*\.md$|^README\.md$/.test(file))
    expect(pages.flatMap(file => missing(readFileSync(file, 'utf8')).map(name => `${file}: ${name}`))).toEqual([])
  })

  it('in comments', () => {
    const sources = files.filter(file => /^(?:commands|daemon|src|test|bin)\/.*\.(?:tsx?|mjs)$/.test(file))
    const comments = (text: string) => text.match(/\/\*\*[\s\S]*?\*\/|^\s*\/\/.*$/gm)?.join('\n') ?? ''
    const strays = sources.flatMap(file =>
      missing(comments(readFileSync(file, 'utf8'))).map(name => `${file}: ${name}`),
    )
    expect(strays).toEqual([])
  })
})
