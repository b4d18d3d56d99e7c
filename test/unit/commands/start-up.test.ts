/** What every command pays for before it does anything: the command tree and node:http, and nothing else. */
import { spawnSync } from 'node:child_process'
import { statSync } from 'node:fs'
import path from 'node:path'
import { build } from 'esbuild'
import { expect, it } from 'vitest'
import { cli } from '../../support/cli.ts'

const root = path.join(import.meta.dirname, '..', '..', '..')

/** Packages and files that are loaded with `commands/program.ts`, without what loads when a command runs. */
async function loadedAtOnce(): Promise<{ packages: string[]; files: string[]; bytes: number }> {
  const { metafile } = await build({
    ...{ absWorkingDir: root, bundle: true, splitting: true, metafile: true, write: false, logLevel: 'silent' },
    ...{ platform: 'node', format: 'esm', outdir: 'out', external: ['libsql'], minifyWhitespace: true },
    entryPoints: { run: 'commands/program.ts' },
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
  const { packages, files, bytes } = await loadedAtOnce()
  expect(packages).toEqual(['commander'])
  expect(files.filter(file => /^(daemon|src\/(store|tui|agent|config|providers))\//.test(file))).toEqual([])
  expect(bytes).toBeLessThan(200_000)
})

it('what is asked all day comes in one small file', () => {
  expect(statSync(path.join(root, 'dist/quick.cjs')).size).toBeLessThan(130_000)
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
