/** The published package: it names everybody whose work it carries, and carries nothing that an installed copy never uses. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'

interface Metafile {
  outputs: Record<string, { inputs: Record<string, { bytesInOutput: number }> }>
}

let folder: string
let unpacked: string
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'tdf-pack-'))
  // Without scripts: `dist/` is what the whole run tests.
  execFileSync('npm', ['pack', '--ignore-scripts', '--pack-destination', folder], { stdio: 'ignore' })
  execFileSync('tar', ['-xzf', readdirSync(folder)[0] ?? ''], { cwd: folder })
  unpacked = path.join(folder, 'package')
  mkdirSync(path.join(folder, 'node_modules'))
  symlinkSync(path.resolve('node_modules/libsql'), path.join(folder, 'node_modules', 'libsql'))
})
afterAll(() => rmSync(folder, { recursive: true }))

const packed = (file: string) => readFileSync(path.join(unpacked, file), 'utf8')

/** `name version`, by the sources of which the bundler put a byte into a bundle of the package. */
function bundled(): string[] {
  const metafiles: Metafile[] = JSON.parse(readFileSync('dist/metafiles.json', 'utf8'))
  const names = metafiles
    .flatMap(({ outputs }) => Object.values(outputs))
    .flatMap(({ inputs }) => Object.entries(inputs))
    .filter(([file, { bytesInOutput }]) => bytesInOutput > 0 && file.includes('node_modules/'))
    .map(([file]) => {
      const [name = '', scoped] = file.slice(file.lastIndexOf('node_modules/') + 13).split('/')
      const inner = name.startsWith('@') ? `${name}/${scoped}` : name
      const home = `${file.slice(0, file.lastIndexOf('node_modules/'))}node_modules/${inner}/package.json`
      return `${inner} ${JSON.parse(readFileSync(home, 'utf8')).version}`
    })
  return [...new Set(names)].sort()
}

it('its notices have the licence text of every package that is bundled, and of no other', () => {
  const sections = packed('dist/THIRD_PARTY_NOTICES.txt')
    .split(`${'-'.repeat(80)}\n`)
    .slice(1)
  expect(sections.map(section => /^(\S+ \S+) \(.+\)\n\n/.exec(section)?.[1]).sort()).toEqual(bundled())
  for (const section of sections) expect(section).toMatch(/warrant(y|ies)/i)
  expect(bundled().map(line => line.split(' ')[0])).toEqual(
    expect.arrayContaining(['commander', 'execa', 'hono', '@hono/node-server', 'ink', 'pino', 'react', 'zod']),
  )
})

it('its bill of materials has the same packages, in the form of CycloneDX 1.5', () => {
  const bill = JSON.parse(packed('dist/sbom.cdx.json'))
  expect(bill).toMatchObject({ bomFormat: 'CycloneDX', specVersion: '1.5', version: 1 })
  expect(bill.metadata.component).toMatchObject({
    type: 'application',
    name: 'tdf',
    version: JSON.parse(packed('package.json')).version,
  })
  const names = bill.components.map(
    ({ group, name, version }: Record<string, string>) => `${group ? `${group}/` : ''}${name} ${version}`,
  )
  expect(names.sort()).toEqual(bundled())
  for (const component of bill.components) {
    expect(component).toEqual({
      type: 'library',
      'bom-ref': component.purl,
      ...(component.group ? { group: expect.stringMatching(/^@[\w.-]+$/) } : {}),
      name: expect.stringMatching(/^[\w.-]+$/),
      version: expect.stringMatching(/^\d+\.\d+\.\d+/),
      licenses: [
        expect.objectContaining(
          component.licenses[0].license ? { license: { id: expect.any(String) } } : { expression: expect.any(String) },
        ),
      ],
      purl: expect.stringMatching(/^pkg:npm\/(%40[\w.-]+\/)?[\w.-]+@\d/),
    })
  }
  const references = bill.components.map((component: Record<string, string>) => component['bom-ref'])
  expect(new Set(references).size).toBe(references.length)
})

it('has what an installed copy runs, and not what builds, measures or plans it', () => {
  const files = readdirSync(unpacked, { recursive: true, encoding: 'utf8' })
  expect(files.filter(file => /^bin\//.test(file)).sort()).toEqual([
    'bin/fresh.js',
    'bin/package.json',
    'bin/tdf',
    'bin/tdf-agent',
  ])
  expect(files).toEqual(
    expect.arrayContaining(['LICENSE', 'dist/tdf.js', 'dist/tdf-agent.js', 'dist/quick.cjs', 'dist/man/tdf.1']),
  )
  const unused = /^(src|daemon|commands|test|node_modules)\/|bench-host|metafile|docs\/plan|\.mjs$|\.map$/
  expect(files.filter(file => unused.test(file))).toEqual([])
})

it('has a reason for every library in a decision record', () => {
  const records = readdirSync('docs/adr').map(name => readFileSync(path.join('docs/adr', name), 'utf8'))
  const { dependencies, devDependencies } = JSON.parse(readFileSync('package.json', 'utf8'))
  // biome, knip and the like are named as people call them.
  const names = Object.keys({ ...dependencies, ...devDependencies }).map(name => name.replace(/^@(biome)js\/.*/, '$1'))
  expect(names.filter(name => !records.some(text => text.includes(name)))).toEqual([])
})

it('runs as it is, without what builds it', () => {
  const env = { PATH: process.env.PATH ?? '', HOME: folder, TDF_HOME: path.join(folder, 'home') }
  const run = (program: string, ...args: string[]) =>
    execFileSync(path.join(unpacked, 'bin', program), args, { env, encoding: 'utf8' })
  const { version } = JSON.parse(packed('package.json'))
  expect(run('tdf', '--version')).toBe(`${version}\n`)
  expect(run('tdf', '--help')).toContain('submit')
  expect(run('tdf', 'config', 'example')).toContain('[daemon]')
  expect(run('tdf-agent', '--version')).toContain(version)
})
