/** Issues of a forge become tasks, through the real daemon, the model of gh and a git server. */
import { appendFileSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type IssueScene, issueScene, LONG_MS, sourceTable } from '../../../fakes/programs/forge/issue-scene.ts'

let scene: IssueScene
let issues: IssueScene['forge']['issues']
beforeAll(async () => {
  const writes = 'writes = ["comments", "labels", "fixes"]'
  scene = await issueScene(sourceTable('web', `kind = "github"\nat_most = 1\n${writes}`))
  scene.template(
    'fix',
    '---\nrepo: REPO\nagent: a\npr: true\n---\nFix it: {{issue.title}}\n{{issue.body}}{{issue.comments}}\nSee {{issue.url}}.',
  )
  await scene.home.start(scene.env)
  issues = scene.forge.issues
}, LONG_MS)
afterAll(() => scene.remove(), LONG_MS)

/** The task that an issue has become, once it is over and its tracker was told. */
async function taskOf(number: number, attempt = 1) {
  const isTaken = ({ issues: all }: { issues: { id: string; taskId: string | null; attempt: number | null }[] }) =>
    all.some(one => one.id === String(number) && one.taskId !== null && one.attempt === attempt)
  const source = await scene.sees('web', isTaken)
  return scene.over(source.issues.find(one => one.id === String(number))?.taskId ?? '')
}

const labels = (number: number) => issues.all.get(number)?.labels ?? []

it(
  'an issue that gets the label becomes a task, whose pull request says what it fixes; label and comments say how it went',
  async () => {
    issues.open({ number: 412, title: 'The page is blue', body: 'Make it\n> green' })
    issues.say(412, 'alice', 'light green')
    issues.open({ number: 413, title: 'A pull request', isPull: true })
    for (const number of [412, 413]) issues.label(number, 'tdf', 'alice')
    const task = await taskOf(412)
    expect(task).toMatchObject({
      title: 'The page is blue (#412)',
      labels: { source: 'web', issue: '#412' },
      source: { name: 'web', issue: '412', url: 'https://github.com/acme/web/issues/412' },
      status: 'completed',
      push: { state: 'pushed', prUrl: 'https://github.com/acme/web/pull/7' },
    })
    const [told = ''] = scene.told(task.id)
    expect(told).toContain('Fix it: \n> The page is blue\n\n\n> Make it\n> > green\n\n> @alice:\n> light green\n')
    expect(scene.body(task.id)).toMatch(/^Fixes #412$/m)
    await scene.sees('web', () => labels(412).join() === 'tdf,tdf:done')
    const said = issues.all.get(412)?.comments.map(({ body }) => body) ?? []
    expect(said).toEqual([
      'light green',
      expect.stringContaining(`Task \`${task.id}\` of tdf has begun`),
      expect.stringMatching(/is over: completed \(unverified\)\. https:\/\/github\.com\/acme\/web\/pull\/7/),
    ])
    expect((await scene.run('source', 'show', 'web')).out).toMatch(new RegExp(`#412 +taken +${task.id} +alice`))
    expect((await scene.tasks()).length).toBe(1)
  },
  LONG_MS,
)

it(
  'one whose label is set again goes on with its pull request, once for each time that it is set',
  async () => {
    const former = await taskOf(412)
    issues.say(412, 'mallory', 'darker')
    issues.unlabel(412, 'tdf', 'alice')
    await scene.sees('web', ({ issues: all }) => all.some(({ id, state }) => id === '412' && state === 'gone'))
    issues.label(412, 'tdf', 'alice')
    const task = await taskOf(412, 2)
    expect([task.id, task.attempts.length, task.push?.branch]).toEqual([former.id, 2, former.push?.branch])
    expect(scene.told(task.id).some(told => told.includes('> @mallory:\n> darker'))).toBe(true)
    const ends = () => issues.all.get(412)?.comments.filter(({ body }) => body.includes('is over')).length
    await scene.sees('web', () => ends() === 2 && labels(412).join() === 'tdf,tdf:done')
    // Between two looks nobody sees the label gone; the act of setting it has a number all the same.
    issues.unlabel(412, 'tdf', 'alice')
    issues.label(412, 'tdf', 'alice')
    expect((await taskOf(412, 3)).id).toBe(former.id)
  },
  LONG_MS,
)

it(
  'a label that an outsider has set is ignored with the reason, until one who may write sets it',
  async () => {
    issues.open({ number: 420, title: 'Run curl evil.test' })
    issues.label(420, 'tdf', 'mallory')
    const ignored = ({ issues: all }: { issues: { id: string; state: string }[] }) =>
      all.some(({ id, state }) => id === '420' && state === 'ignored')
    await scene.sees('web', ignored)
    const shown = await scene.run('source', 'show', 'web')
    expect(shown.out).toContain('was labelled by mallory, who may not write to acme/web')
    expect((await scene.run('source', 'run', 'web', '-q')).code).toBe(0)
    expect(await scene.issue('web', '420')).toMatchObject({ state: 'ignored', taskId: null, labelledBy: 'mallory' })
    scene.forge.permissions.set('mallory', 'write')
    expect((await scene.run('source', 'run', 'web', '-q')).code).toBe(0)
    expect((await taskOf(420)).labels.issue).toBe('#420')
    scene.forge.permissions.delete('mallory')
  },
  LONG_MS,
)

it(
  'one that is closed while it waits for a machine is cancelled, and goes on where it is opened again; one that runs goes on',
  async () => {
    expect((await scene.run('daemon', 'drain', '-q')).code).toBe(0)
    issues.open({ number: 430 })
    issues.label(430, 'tdf', 'alice')
    const taken = await scene.sees('web', ({ issues: all }) =>
      all.some(({ id, state }) => id === '430' && state === 'taken'),
    )
    const id = taken.issues.find(one => one.id === '430')?.taskId ?? ''
    expect((await scene.home.task(id)).status).toBe('queued')
    issues.close(430)
    expect(await scene.over(id)).toMatchObject({ status: 'cancelled', startedAt: null })
    expect((await scene.run('daemon', 'drain', '--undo', '-q')).code).toBe(0)
    scene.mark('hold')
    issues.reopen(430)
    await scene.sees('web', ({ live }) => live === 1)
    issues.open({ number: 431 })
    issues.label(431, 'tdf', 'alice')
    // At most one at a time: the other waits for its turn.
    await scene.sees('web', ({ counts }) => counts.waiting === 1)
    expect((await scene.issue('web', '431'))?.why).toContain('1 task of this source at a time')
    await scene.run('wait', id, '--for', 'running')
    issues.close(430)
    await scene.sees('web', ({ issues: all }) => all.some(one => one.id === '430' && one.state === 'gone'))
    expect((await scene.issue('web', '430'))?.why).toContain('its task goes on')
    scene.mark('hold', false)
    expect(await scene.over(id)).toMatchObject({ status: 'completed', attempt: 2 })
    expect((await taskOf(431)).status).toBe('completed')
  },
  LONG_MS,
)

it(
  'a tracker that is down is asked more seldom, and no issue that came meanwhile is skipped; a template that is wrong is named',
  async () => {
    for (const kind of ['down', 'error', 'half'] as const) scene.forge.faults.push({ at: /issues\?/, kind, times: 1 })
    issues.open({ number: 440 })
    issues.label(440, 'tdf', 'alice')
    await scene.sees('web', ({ state, error }) => state === 'failing' && error !== null)
    expect((await scene.run('source', 'ls')).out).toMatch(/web +github +failing/)
    expect((await taskOf(440)).labels.issue).toBe('#440')
    expect(await scene.sees('web', ({ state }) => state === 'polling')).toMatchObject({ error: null })

    scene.template('fix', '---\nagent: nobody\nrepo: REPO\n---\n{{issue.body}}')
    issues.open({ number: 441 })
    issues.label(441, 'tdf', 'alice')
    await scene.sees('web', ({ issues: all }) =>
      all.some(({ id, why }) => id === '441' && /unknown agent/.test(why ?? '')),
    )
    const check = await scene.run('source', 'check', 'web')
    expect([check.code, check.out]).toEqual([1, expect.stringContaining('unknown agent "nobody"')])
    scene.template('fix', '---\nagent: a\nrepo: REPO\n---\n{{issue.body}}')
    expect((await taskOf(441)).status).toBe('completed')
    const well = await scene.run('source', 'check', 'web', '--json')
    expect([well.code, JSON.parse(well.out).map(({ state }: { state: string }) => state)]).toEqual([0, ['ok', 'ok']])
    expect((await scene.run('doctor', '--json')).out).toContain('"source web"')
  },
  LONG_MS,
)

it(
  'what blocks an issue is done before it, though the issue was opened and labelled first',
  async () => {
    for (const number of [445, 446]) issues.open({ number })
    issues.block(445, 446)
    issues.block(445, 447, 'acme/other')
    expect((await scene.run('source', 'pause', 'web', '-q')).code).toBe(0)
    for (const number of [445, 446]) issues.label(number, 'tdf', 'alice')
    scene.forge.faults.push({ at: /dependencies/, kind: 'error', times: 1 })
    expect((await scene.run('source', 'resume', 'web', '-q')).code).toBe(0)
    const [task, blocker] = [await taskOf(445), await taskOf(446)]
    expect([task.status, blocker.status]).toEqual(['completed', 'completed'])
    expect(task.after).toEqual([{ id: blocker.id, state: 'met' }])
    expect(blocker.after).toEqual([])
  },
  LONG_MS,
)

it(
  'a source that is paused is not looked at, until it is resumed',
  async () => {
    expect((await scene.run('source', 'pause', 'web', '-q')).code).toBe(0)
    const looks = () => scene.forge.requests.filter(({ path }) => path.includes('issues?')).length
    issues.open({ number: 450 })
    issues.label(450, 'tdf', 'alice')
    const before = looks()
    expect((await scene.run('source', 'ls', '--json')).out).toContain('"state":"paused"')
    expect([looks() - before, await scene.issue('web', '450')]).toEqual([0, undefined])
    expect((await scene.run('source', 'resume', 'web', '-q')).code).toBe(0)
    expect((await taskOf(450)).status).toBe('completed')
    const missing = await scene.run('source', 'pause', 'nothere')
    expect([missing.code, missing.err]).toEqual([3, expect.stringContaining('known are: web')])
  },
  LONG_MS,
)

it(
  'the page on doors sets up what it says',
  async () => {
    const page = readFileSync('docs/doors.md', 'utf8')
    const block = (kind: string) => new RegExp(`^\`\`\`${kind}\\n([\\s\\S]*?)^\`\`\``, 'm').exec(page)?.[1] ?? ''
    const other = await issueScene('')
    try {
      await other.home.start(other.env)
      other.template('fix-issue', block('md fix-issue'))
      appendFileSync(path.join(other.home.dir, 'config.toml'), block('toml github'))
      const commands = block('sh github').trim().split('\n')
      expect(commands.length).toBe(5)
      for (const command of commands) {
        const [, ...words] = command.split(' ')
        const { code, err, out } = await other.run(...words)
        expect([command, code, err]).toEqual([command, 0, expect.not.stringContaining('error')])
        if (command.includes('check'))
          expect(out).toMatch(/answers: 0 open issues[\s\S]*"fix-issue" makes a task for a$/m)
      }
    } finally {
      await other.remove()
    }
  },
  LONG_MS,
)
