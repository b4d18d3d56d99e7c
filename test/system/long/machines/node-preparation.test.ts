/** What is run on a node before an agent: its install, once, and what the repository itself asks for, where it may. */
import { existsSync, readFileSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { type AgentProcess, startAgentProcess } from '../../../unit/src/agent/support/agent.ts'
import { tempFolder } from '../../../unit/src/agent/support/temp.ts'
import { builtWorkspace, git, repository, workspaceBody } from '../../../unit/src/agent/support/work.ts'

let agent: AgentProcess
beforeAll(async () => {
  agent = await startAgentProcess()
})

interface Seen {
  status: string
  errorMessage: string | null
  path: string
}

async function built(where: AgentProcess, url: string, more: Record<string, unknown>): Promise<Seen> {
  const id = await builtWorkspace(where, workspaceBody(url, more))
  return (await where.get(`/workspaces/${id}`)).json as Seen
}

const RUN = { repositorySetup: { policy: 'run', timeoutMs: 60_000 } }
const withFile = (text: string) => `file://${repository({ 'README.md': 'hello\n', '.tdf.toml': text })}`

describe('.tdf.toml', () => {
  it('says what runs in the workspace before the agent', async () => {
    const seen = await built(agent, withFile('# ours\nsetup = "echo made by $USER > made.txt"\n'), RUN)
    expect(seen).toMatchObject({ status: 'ready', errorMessage: null })
    expect(readFileSync(join(seen.path, 'made.txt'), 'utf8')).toContain('made by')
  })

  it('of a commit that was asked for is the one that counts', async () => {
    const folder = repository({ '.tdf.toml': 'setup = "touch old"\n' })
    git(folder, 'rm', '-q', '.tdf.toml')
    git(folder, 'commit', '-qm', 'without')
    const ref = git(folder, 'rev-parse', 'HEAD~1').trim()
    const now = await built(agent, `file://${folder}`, RUN)
    const then = await built(agent, '', { ...RUN, source: { kind: 'git', url: `file://${folder}`, ref } })
    expect([now, then].map(({ path }) => existsSync(join(path, 'old')))).toEqual([false, true])
  })

  it('gives way to a setup that was asked for, and is not looked at when nobody wants it', async () => {
    const setup = { command: 'touch asked', timeoutMs: 60_000 }
    const asked = await built(agent, withFile('setup = "touch own"\n'), { setup })
    const none = await built(agent, withFile('setup = "touch own"\n'), {})
    expect([asked, none].map(({ path }) => ['asked', 'own'].map(name => existsSync(join(path, name))))).toEqual([
      [true, false],
      [false, false],
    ])
  })

  it.each([
    ['a command that fails', 'setup = "echo no such thing; exit 3"\n', /exit code 3:\nno such thing/],
    ['a key that nobody knows', 'setpu = "x"\n', /^\.tdf\.toml: .*setpu/],
    ['another type', 'setup = 3\n', /^\.tdf\.toml: setup: /],
    ['no TOML', 'a = 1\nsetup = "x\n', /^\.tdf\.toml:2 is not TOML$/],
  ])('with %s ends the build and says why', async (_, text, why) => {
    const seen = await built(agent, withFile(text), RUN)
    expect(seen).toMatchObject({ status: 'failed', errorMessage: expect.stringMatching(why) })
  })

  it('that may not run is refused, with the command and the ways on', async () => {
    const seen = await built(agent, withFile('setup = "touch /tmp/canary"\n'), {
      repositorySetup: { policy: 'refuse', timeoutMs: 60_000 },
    })
    expect(seen.status).toBe('failed')
    for (const part of ['touch /tmp/canary', '--setup', '--no-setup', 'repository_setup']) {
      expect(seen.errorMessage).toContain(part)
    }
    const without = { repositorySetup: { policy: 'refuse', timeoutMs: 60_000 } }
    expect((await built(agent, `file://${repository()}`, without)).status).toBe('ready')
  })

  it('that is a link leads nowhere', async () => {
    const folder = repository()
    symlinkSync('/etc/passwd', join(folder, '.tdf.toml'))
    git(folder, 'add', '-A')
    git(folder, 'commit', '-qm', 'link')
    const seen = await built(agent, `file://${folder}`, RUN)
    expect(seen).toMatchObject({ status: 'failed', errorMessage: '.tdf.toml is no plain file' })
  })
})

describe('the install of an agent', () => {
  const counting = (file: string, more = '') => ({
    install: { command: `echo run >> ${file}${more}`, timeoutMs: 60_000 },
  })
  const runs = (file: string) => (existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n').length : 0)

  it('runs once on the node, for workspaces at the same time and after a restart, and anew when its text changes', async () => {
    const folder = tempFolder()
    const file = join(folder, 'count')
    const own = await startAgentProcess({ state: join(folder, 'state') })
    const url = `file://${repository()}`
    const both = [0, 1].map(() => built(own, url, counting(file, '; sleep 0.3')))
    expect((await Promise.all(both)).map(({ status }) => status)).toEqual(['ready', 'ready'])
    expect(runs(file)).toBe(1)
    await own.kill('SIGKILL')
    const again = await startAgentProcess({ state: own.state })
    await built(again, url, counting(file, '; sleep 0.3'))
    expect(runs(file)).toBe(1)
    await built(again, url, counting(file, '; true'))
    expect(runs(file)).toBe(2)
  })

  it('that fails ends the build with its output, and the next workspace tries it again', async () => {
    const file = join(tempFolder(), 'count')
    const failing = counting(
      file,
      '; test $(wc -l < FILE) -gt 1 || { echo no network >&2; exit 7; }'.replace('FILE', file),
    )
    const first = await built(agent, `file://${repository()}`, failing)
    expect(first.errorMessage).toMatch(/install command of the agent failed with exit code 7:\nno network/)
    expect(await built(agent, `file://${repository()}`, failing)).toMatchObject({ status: 'ready' })
    expect(runs(file)).toBe(2)
  })
})
