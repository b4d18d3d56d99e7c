/** What every command pays for before it does anything: the command tree and node:http, and nothing else. */
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { build } from 'esbuild'
import { expect, it } from 'vitest'
import { afterFile } from '../../support/after-file.ts'
import { cli } from '../../support/cli.ts'

const root = path.join(import.meta.dirname, '..', '..', '..')

/** Packages and files that are loaded with a file, without what it loads on demand. */
async function loadedAtOnce(entry: string): Promise<{ packages: string[]; files: string[]; bytes: number }> {
  const { metafile } = await build({
    ...{ absWorkingDir: root, bundle: true, splitting: true, metafile: true, write: false, logLevel: 'silent' },
    ...{ platform: 'node', format: 'esm', outdir: 'out', external: ['libsql'], minifyWhitespace: true },
    entryPoints: { run: entry },
    alias: { 'react-devtools-core': './bin/empty.mjs' },
  })
  const eager = new Set(['out/run.js'])
  for (const name of eager) {
    for (const { path: next, kind } of metafile.outputs[name]?.imports ?? []) {
      if (kind === 'import-statement' && metafile.outputs[next]) eager.add(next)
    }
  }
  const inputs = [...eager].flatMap(name => Object.entries(metafile.outputs[name]?.inputs ?? {}))
  const files = inputs.filter(([, { bytesInOutput }]) => bytesInOutput > 0).map(([file]) => file)
  const packages = files.flatMap(file => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(file)?.[1] ?? [])
  const bytes = [...eager].reduce((sum, name) => sum + (metafile.outputs[name]?.bytes ?? 0), 0)
  return { packages: [...new Set(packages)].sort(), files, bytes }
}

it('the command path loads commander and no other package, no daemon and no dashboard', async () => {
  const { packages, files, bytes } = await loadedAtOnce('commands/program.ts')
  expect(packages).toEqual(['commander'])
  expect(files.filter(file => /^(daemon|src\/(store|tui|agent|config|providers))\//.test(file))).toEqual([])
  expect(bytes).toBeLessThan(200_000)
})

it('`tdf submit` loads no package that reads a configuration or runs a program before it has to', async () => {
  const { packages } = await loadedAtOnce('commands/tasks/submit/run.ts')
  expect(packages).toContain('commander')
  expect(packages.filter(name => ['zod', 'toml-eslint-parser', 'execa'].includes(name))).toEqual([])
})

// What it costs is the row `tdf ls` of the benchmark; this tells early that something large came in.
it('what is asked all day comes in one small file', () => {
  expect(statSync(path.join(root, 'dist/quick.cjs')).size).toBeLessThan(156_000)
})

it.each([
  ['ls', '--help'],
  ['ls', '--statsu', 'failed'],
  ['show', '--output', 'json', 'nothing'],
])('`tdf %s %s` says the same by either way', async (...words) => {
  const home = { env: { PATH: process.env.PATH ?? '', HOME: '/nonexistent', TDF_HOME: '/nonexistent' } }
  const quick = spawnSync(process.execPath, [path.join(root, 'bin/tdf'), ...words], { env: home.env, encoding: 'utf8' })
  const { code, out, err } = await cli(home, ...words)
  expect([quick.status, quick.stdout, quick.stderr]).toEqual([code, out, err])
  expect(out + err).not.toBe('')
})

it('a checkout whose build is older than its sources builds first, and then says it once', () => {
  const dir = mkdtempSync(path.join(tmpdir(), 'tdf-stale-'))
  afterFile(() => rmSync(dir, { recursive: true, force: true }))
  for (const folder of ['bin', 'dist', 'src', 'daemon', 'commands']) mkdirSync(path.join(dir, folder))
  for (const file of ['bin/tdf', 'bin/fresh.js']) cpSync(path.join(root, file), path.join(dir, file))
  const write = (file: string, text: string) => writeFileSync(path.join(dir, file), text)
  const program = (said: string) => `process.stdout.write(${JSON.stringify(said)}); process.stderr.write('talk\\n')`
  write('package.json', '{}')
  write('dist/built', '')
  utimesSync(path.join(dir, 'dist/built'), 1, 1)
  write('dist/quick.cjs', program('older'))
  const building = `import { writeFileSync as write } from 'node:fs'
    write(${JSON.stringify(path.join(dir, 'dist/quick.cjs'))}, ${JSON.stringify(program('newer'))})
    write(${JSON.stringify(path.join(dir, 'dist/built'))}, '')`
  write('bin/build.mjs', building)
  const run = () => spawnSync(process.execPath, [path.join(dir, 'bin/tdf'), 'ls', '--help'], { encoding: 'utf8' })
  expect(run()).toMatchObject({
    status: 0,
    stdout: 'newer',
    stderr: expect.stringMatching(/^tdf: building.*\ntalk\n$/),
  })
  expect(run()).toMatchObject({ status: 0, stdout: 'newer', stderr: 'talk\n' })
})
