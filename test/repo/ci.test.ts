/** What `.ci/run` says of its stages: only what ran and passed counts as passed. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'tdf-ci-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

/** Runs the real script with stages of the test; answers its exit code, its last line, and all that it said. */
function ci(stages: string) {
  const file = path.join(folder, 'stages')
  writeFileSync(file, stages)
  const { status, stdout } = spawnSync(path.resolve('.ci/run'), {
    env: { ...process.env, TDF_CI_STAGES: file },
    encoding: 'utf8',
  })
  return { status, total: stdout.trim().split('\n').at(-1), said: stdout }
}

describe('.ci/run', () => {
  it('counts the tests of a suite one by one and a plain command as one, and passes when all did', () => {
    const { status, total } = ci(`
      suite 'fake suite' echo '      Tests  12 passed (12)'
      stage 'fake command' true`)
    expect([status, total]).toEqual([0, '13 passed, 0 failed'])
  })

  it('fails a stage without a command', () => {
    const { status, total, said } = ci(`stage 'fake command' true; suite 'fake suite' bash -c ""`)
    expect([status, total]).toEqual([1, '1 passed, 1 failed'])
    expect(said).toContain('failed: it has no command')
  })

  it('fails a suite in which no test ran', () => {
    const { status, total, said } = ci(`stage 'fake command' true; suite 'fake suite' true`)
    expect([status, total]).toEqual([1, '1 passed, 1 failed'])
    expect(said).toContain('failed: no test ran')
  })

  it('tells what was not run, and counts it as nothing', () => {
    const { status, total, said } = ci(`stage 'fake command' true; suite 'fake suite' echo 'not run: it needs root'`)
    expect([status, total]).toEqual([0, '1 passed, 0 failed'])
    expect(said).toContain('not run: it needs root')
  })

  it('does not pass when nothing ran at all', () => {
    expect(ci(`suite 'fake suite' echo 'not run: it needs root'`)).toMatchObject({
      status: 1,
      total: '0 passed, 0 failed',
    })
  })

  it('counts tests that failed, shows the end of their output, and runs the other stages', () => {
    const { status, total, said } = ci(`
      suite 'fake suite' bash -c 'echo "AssertionError: no"; echo " Tests  2 failed | 3 passed | 1 skipped (6)"; exit 1'
      stage 'fake command' false
      stage 'fake third' true`)
    expect([status, total]).toEqual([1, '4 passed, 3 failed'])
    expect(said).toContain('AssertionError: no')
    expect(said).toContain('not run: 1 tests')
  })
})

it('its stages run the command of the README, word for word', () => {
  const { stdout } = spawnSync('bash', ['-c', 'needs() { :; }; stage() { :; }; suite() { echo "$*"; }; . .ci/stages'], {
    encoding: 'utf8',
  })
  expect(stdout).toContain('readme test bash -c npm test\n')
})

describe('the tests on real machines take their mirror from the sources of apt', () => {
  it.each([
    ['lines', 'sources.list', 'deb [arch=amd64] http://mirror.example/debian trixie main\n'],
    ['a list of its own', 'sources.list.d/debian.list', 'deb http://mirror.example/debian trixie main\n'],
    ['paragraphs', 'sources.list.d/debian.sources', 'Types: deb\nURIs: http://mirror.example/debian\nSuites: trixie\n'],
  ])('as %s', (_, name, text) => {
    const apt = mkdtempSync(path.join(folder, 'apt-'))
    mkdirSync(path.join(apt, 'sources.list.d'))
    writeFileSync(path.join(apt, 'sources.list.d', 'a-other.list'), 'deb https://other.example/apt stable main\n')
    writeFileSync(path.join(apt, name), text)
    expect(setUp(apt)).toMatchObject({ status: 0, stdout: 'http://mirror.example/debian\n' })
  })

  it('and say what to do when there is none', () => {
    const { status, stderr } = setUp(mkdtempSync(path.join(folder, 'apt-')))
    expect([status, stderr]).toEqual([1, expect.stringContaining('set TDF_TEST_MIRROR')])
  })

  function setUp(apt: string) {
    const env = { PATH: process.env.PATH ?? '', TDF_TEST_APT: apt }
    return spawnSync(path.resolve('test/system/hosts/support/set-up.sh'), ['--mirror'], { env, encoding: 'utf8' })
  }
})
