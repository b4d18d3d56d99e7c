/** The published package: it carries what it runs, and installs without running anybody's scripts. Needs the registry. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'

/** Of ours one, the rest is what it brings along for this platform. */
const PACKAGES_MAX = 8

let folder: string
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'tdf-package-'))
  execFileSync('npm', ['pack', '--ignore-scripts', '--pack-destination', folder], { stdio: 'ignore' })
  const [tarball = ''] = readdirSync(folder)
  const cwd = path.join(folder, 'app')
  execFileSync('mkdir', [cwd])
  const dependencies = { tdf: `file:../${tarball}` }
  writeFileSync(path.join(cwd, 'package.json'), JSON.stringify({ name: 'app', private: true, dependencies }))
  const quiet = ['--no-audit', '--no-fund', '--ignore-scripts']
  execFileSync('npm', ['install', '--package-lock-only', ...quiet], { cwd, stdio: 'ignore' })
  execFileSync('npm', ['ci', ...quiet], { cwd, stdio: 'ignore' })
}, 300_000)
afterAll(() => rmSync(folder, { recursive: true }))

it('runs a whole journey from `npm ci --ignore-scripts`', () => {
  const env = { PATH: process.env.PATH ?? '', HOME: folder, TDF_HOME: path.join(folder, 'home') }
  const said = execFileSync(path.join(folder, 'app/node_modules/.bin/tdf'), ['quickstart'], { env, encoding: 'utf8' })
  expect(said).toContain('+hello from an agent')
}, 120_000)

it('brings few packages along', () => {
  const list = JSON.parse(
    execFileSync('npm', ['ls', '--all', '--parseable', '--json'], { cwd: path.join(folder, 'app'), encoding: 'utf8' }),
  )
  const count = JSON.stringify(list).match(/"version":/g)?.length ?? 0
  expect(count).toBeGreaterThan(1)
  expect(count).toBeLessThanOrEqual(PACKAGES_MAX)
})
