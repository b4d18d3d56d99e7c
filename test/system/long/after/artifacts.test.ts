/** `--artifacts` and `tdf artifacts` with real processes: what a run left to look at is at home before its workspace goes. */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import type { TaskJson } from '../../../../src/protocol/control.ts'
import { afterFile } from '../../../support/after-file.ts'
import { tdf, tdfWith, until } from '../../../support/daemon/home.ts'
import { withDaemon } from '../../../support/daemon/with-daemon.ts'

const { home, repo } = withDaemon('[results]\nartifact_max_bytes = "1MiB"\n')
const here = mkdtempSync(path.join(tmpdir(), 'tdf-artifacts-'))
afterFile(() => rmSync(here, { recursive: true, force: true }))

/** Until its workspace is gone, so that what follows can only come from home. */
async function run(script: string, ...options: string[]): Promise<TaskJson> {
  const { out, err } = await tdf(
    home,
    'submit',
    '--repo',
    repo.dir,
    '-w',
    '--json',
    ...options,
    '--',
    'sh',
    '-ec',
    script,
  )
  if (out === '') throw new Error(err)
  const { id }: TaskJson = JSON.parse(out)
  await until('its workspace is gone', async () => (await home.task(id)).step === null)
  expect(existsSync(path.join(home.dir, 'state/agent/workspaces', `${id}-1-1`))).toBe(false)
  return home.task(id)
}

const IGNORED = 'echo /out/ > .gitignore; git add .gitignore; git commit -qm ignore; mkdir out'
const named = ({ artifacts }: TaskJson) => artifacts.map(({ path, from }) => `${path} (${from})`).sort()
const leftOf = ({ leftOut }: TaskJson, name: string) => leftOut.find(one => one.path === name)?.reason
const get = (...words: string[]) => tdfWith(home, { cwd: here }, 'artifacts', 'get', ...words)

describe('what a glob names', () => {
  it('has the same bytes when the machine is gone, though the ignore rules name it, and is not on the branch', async () => {
    const task = await run(
      `${IGNORED}; printf 'a\\000b\\377' > out/shot.png; echo x > out/other; echo loose > report.txt; echo w > work.txt`,
      ...['--artifacts', 'out/*.png', '--artifacts', 'report.txt'],
    )
    expect([named(task), task.verdict]).toEqual([['out/shot.png (agent)', 'report.txt (agent)'], 'unverified'])
    const { code, out } = await get(task.id, '--json')
    expect([code, JSON.parse(out).folder]).toEqual([0, path.join(here, `${task.id}-artifacts`)])
    expect(readFileSync(path.join(here, `${task.id}-artifacts/out/shot.png`))).toEqual(
      Buffer.from('a\0b\xff', 'latin1'),
    )
    const diff = await tdf(home, 'diff', task.id)
    expect([diff.out.includes('work.txt'), diff.out.includes('report.txt')]).toEqual([true, false])
    expect((await tdf(home, 'show', task.id)).out).toContain(`tdf artifacts ${task.id}`)
  })

  it('is not named as left out, and what lies beside it is', async () => {
    const some = await run(
      `${IGNORED}; mkdir out/a; echo 1 > out/a/1.png; echo 2 > out/2.txt`,
      '--artifacts',
      '**/*.png',
    )
    const ignored = ({ leftOut }: TaskJson) => leftOut.map(({ path }) => path)
    expect([named(some), ignored(some)]).toEqual([['out/a/1.png (agent)'], ['out/2.txt']])
    expect((await tdf(home, 'show', some.id)).out).toContain('1 ignored file was not saved')
    const all = await run(`${IGNORED}; mkdir out/a; echo 1 > out/a/1.png; echo 2 > out/2.txt`, '--artifacts', 'out/**')
    expect(ignored(all)).toEqual([])
    expect((await tdf(home, 'show', all.id)).out).not.toContain('ignored')
  })

  it('is listed with sizes, and fetched by a glob into a folder that is named', async () => {
    const { id } = await run(`${IGNORED}; mkdir out/a; echo 1 > out/a/1.txt; echo 2 > out/2.txt`, '--artifacts', 'out')
    const listed = await tdf(home, 'artifacts', id)
    expect(listed.out).toMatch(/SIZE +FROM +PATH\n2 B +agent +out\/2\.txt\n2 B +agent +out\/a\/1\.txt\n/)
    expect((await tdf(home, 'artifacts', id, '-l')).out).toMatch(/[0-9a-f]{64} +out\/2\.txt/)
    expect((await tdf(home, 'artifacts', id, '-q')).out).toBe('out/2.txt\nout/a/1.txt\n')
    const to = path.join(here, 'elsewhere')
    expect((await get(id, 'out/a/*', '--to', to)).code).toBe(0)
    expect([existsSync(path.join(to, 'out/a/1.txt')), existsSync(path.join(to, 'out/2.txt'))]).toEqual([true, false])
    expect(readdirSync(to)).toEqual(['out'])
  })

  it('costs the task nothing when it is not there', async () => {
    const task = await run('echo w > work.txt', '--artifacts', 'coverage/**')
    expect([task.artifacts, task.verdict]).toEqual([[], 'unverified'])
    const listed = await tdf(home, 'artifacts', task.id)
    expect([listed.code, listed.out, listed.err]).toEqual([0, '', expect.stringContaining('--artifacts')])
    expect((await get(task.id)).code).toBe(3)
  })

  it('and is committed by the agent is both on the branch and kept', async () => {
    const task = await run('echo 1 > report.txt; git add -A; git commit -qm report', '--artifacts', '*.txt')
    expect([named(task), task.result?.ahead]).toEqual([['report.txt (agent)'], 1])
    expect((await tdf(home, 'diff', task.id)).out).toContain('report.txt')
  })

  it('is left out by name where it is too large, a link out of the workspace or no file', async () => {
    const task = await run(
      `${IGNORED}; truncate -s 3M out/large; echo s > out/small; ln -s /etc/passwd out/link; ln -s small out/inner; mkfifo out/pipe`,
      ...['--artifacts', 'out/**'],
    )
    expect([named(task), task.verdict]).toEqual([['out/inner (agent)', 'out/small (agent)'], 'unverified'])
    expect(leftOf(task, 'out/large')).toContain('artifact_max_bytes')
    expect(leftOf(task, 'out/link')).toContain('no file of the workspace')
    expect(leftOf(task, 'out/pipe')).toContain('fifo')
  })

  it.each(['.git/config', 'a/.gitmodules', 'GIT~1'])('never is one that git has a meaning for: %s', async name => {
    const task = await run(`mkdir -p a; echo x > a/.gitmodules; echo x > GIT~1; echo w > w`, '--artifacts', '**')
    expect([named(task), task.verdict]).toEqual([['README.md (agent)', 'w (agent)'], 'unverified'])
    expect(task.artifacts.some(one => one.path === name)).toBe(false)
  })

  it('can be of the .tdf.toml of a folder, and of a line of a file of tasks', async () => {
    const own = mkdtempSync(path.join(here, 'repo-'))
    const git = (...args: string[]) =>
      execFileSync('git', ['-c', 'user.name=you', '-c', 'user.email=you@localhost', ...args], { cwd: own })
    git('init', '-q', '-b', 'main')
    writeFileSync(path.join(own, '.tdf.toml'), 'artifacts = ["one"]\n')
    git('add', '-A')
    git('commit', '-qm', 'first')
    const line = JSON.stringify({ command: ['sh', '-c', 'echo 1 > one; echo 2 > two'], artifacts: ['two'] })
    const sent = await tdfWith(home, { cwd: own, input: line }, 'submit', '--file', '-', '-q')
    await tdf(home, 'wait', sent.out.trim())
    expect(named(await home.task(sent.out.trim()))).toEqual(['one (agent)', 'two (agent)'])
    writeFileSync(path.join(own, '.tdf.toml'), 'artifacts = [3]\n')
    git('commit', '-qam', 'wrong')
    const bad = JSON.stringify({ prompt: 'x', artifacts: [''] })
    expect((await tdfWith(home, { cwd: own, input: bad }, 'submit', '--file', '-')).code).toBe(2)
  })
})

describe('the folder TDF_ARTIFACTS', () => {
  it('is there for agent and check, and all in it is kept without a glob', async () => {
    const task = await run(
      'mkdir $TDF_ARTIFACTS/deep; echo a > $TDF_ARTIFACTS/deep/agent.txt; echo same > $TDF_ARTIFACTS/same; echo w > w',
      ...['--check', 'echo c > $TDF_ARTIFACTS/check.txt; echo same > $TDF_ARTIFACTS/same; git status --porcelain'],
    )
    expect(named(task)).toEqual(['check.txt (check)', 'deep/agent.txt (agent)', 'same (agent)'])
    expect([task.verdict, task.result?.ahead]).toEqual(['verified', 1])
    expect((await get(task.id, '--to', 'folder')).code).toBe(0)
    expect(readFileSync(path.join(here, 'folder/deep/agent.txt'), 'utf8')).toBe('a\n')
  })
})

describe('the check', () => {
  it('that failed has its report there, and the result stays what the agent made', async () => {
    const task = await run(
      'echo 1 > junit.xml; echo w > w',
      ...['--artifacts', '*.xml', '--check', 'echo failed > junit.xml; echo stray > stray; exit 3'],
    )
    expect([task.verdict, named(task)]).toEqual(['check_failed', ['junit.xml (check)']])
    expect((await get(task.id, '--to', 'failed')).code).toBe(0)
    expect(readFileSync(path.join(here, 'failed/junit.xml'), 'utf8')).toBe('failed\n')
    expect((await tdf(home, 'diff', task.id)).out).not.toContain('stray')
  })
})

describe('fetching', () => {
  it('leaves a file alone that is there and differs, follows no link, and fetches twice what is the same', async () => {
    const { id } = await run('mkdir d; echo 1 > d/one; echo w > w', '--artifacts', 'd')
    const to = path.join(here, 'twice')
    expect([(await get(id, '--to', to)).code, (await get(id, '--to', to)).code]).toEqual([0, 0])
    writeFileSync(path.join(to, 'd/one'), 'mine\n')
    const refused = await get(id, '--to', to, '--json')
    expect([refused.code, JSON.parse(refused.err).error.code]).toEqual([5, 'WRONG_STATE'])
    expect(readFileSync(path.join(to, 'd/one'), 'utf8')).toBe('mine\n')
    const outside = mkdtempSync(path.join(here, 'outside-'))
    const linked = mkdtempSync(path.join(here, 'linked-'))
    symlinkSync(outside, path.join(linked, 'd'))
    expect((await get(id, '--to', linked)).code).not.toBe(0)
    expect(readdirSync(outside)).toEqual([])
  })

  it('is of the attempt that is named, and of no task after rm', async () => {
    const { id } = await run('echo $TDF_ATTEMPT > one', '--artifacts', 'one')
    await tdf(home, 'retry', id, '--wait')
    await until('it is over', async () => (await home.task(id)).step === null)
    expect((await get(`${id}@1`, '--to', 'first')).code).toBe(0)
    expect((await get(id, '--to', 'second')).code).toBe(0)
    expect(['first', 'second'].map(name => readFileSync(path.join(here, name, 'one'), 'utf8'))).toEqual(['1\n', '2\n'])
    expect(refs()).toContain(`refs/tdf/${id}/1-files`)
    expect((await tdf(home, 'rm', id, '--yes')).code).toBe(0)
    expect(refs()).not.toContain(id)
    expect((await get(id)).code).toBe(3)
  })
})

/** Of all repositories of the daemon. */
function refs(): string {
  const folder = path.join(home.dir, 'state', 'results')
  return readdirSync(folder)
    .map(name => execFileSync('git', ['--git-dir', path.join(folder, name), 'for-each-ref'], { encoding: 'utf8' }))
    .join('')
}
