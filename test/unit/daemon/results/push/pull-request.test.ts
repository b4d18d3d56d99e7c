/** A pull request by gh or by a command of the user: looked for first, and what the program says decides. */
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openPullRequest, type PullRequest } from '../../../../../daemon/results/push/pull-request.ts'
import type { Config } from '../../../../../src/config/schema/config.ts'
import type { Task } from '../../../../../src/core/task.ts'
import { aTask } from '../../../../support/builders.ts'

const { signal } = new AbortController()
const PATH = process.env.PATH ?? ''
let folder: string
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'tdf-pr-'))
  process.env.PATH = `${folder}:${PATH}`
})
afterEach(() => {
  process.env.PATH = PATH
  rmSync(folder, { recursive: true })
})

const RESULT = { ahead: 1, salvaged: false, summary: ' It works. ', check: null } as Task['result']
const request = (task: Partial<Task> = {}, change: Partial<PullRequest> = {}): PullRequest => ({
  task: aTask({ verdict: 'verified', result: RESULT, ...task }),
  // What a pull request is made from.
  push: { remote: 'https://git.test/a.git', branch: 'tdf/x', commitId: 'c1' } as PullRequest['push'],
  ...{ base: 'main', draft: false, token: 'token-1', ...change },
})
const byCommand = (script: string, of = request()) =>
  openPullRequest(
    { prCommand: ['sh', '-c', script, 'pr', folder] } as Partial<Config['push']> as Config['push'],
    of,
    signal,
  )
const seen = (name: string) => readFileSync(path.join(folder, name), 'utf8')

describe('a command of the user', () => {
  it('is told what it is about, with the words for the reviewer on its stdin', async () => {
    const opened = await byCommand('env > "$1/env"; cat > "$1/body"; echo see; echo https://git.test/pr/7; echo done')
    expect(opened).toEqual({ kind: 'opened', url: 'https://git.test/pr/7' })
    const env = seen('env').split('\n')
    for (const line of [
      'TDF_TASK_ID=t1',
      'TDF_TITLE=say hi',
      'TDF_REMOTE=https://git.test/a.git',
      'TDF_BRANCH=tdf/x',
    ]) {
      expect(env).toContain(line)
    }
    for (const line of ['TDF_BASE=main', 'TDF_COMMIT=c1', 'TDF_DRAFT=', 'LC_ALL=C.UTF-8']) expect(env).toContain(line)
    // gh help environment: the second is for a host of one's own.
    expect(env).toEqual(expect.arrayContaining(['GH_TOKEN=token-1', 'GH_ENTERPRISE_TOKEN=token-1']))
    expect(env.filter(line => line.startsWith('VITEST'))).toEqual([])
    expect(seen('body')).toBe('It works.\n\n---\nTask t1 of tdf, done by fake: verified. No check was run.\n')
  })

  it('has no token and no base where there is none, and may say no address', async () => {
    const opened = await byCommand('env > "$1/env"; echo no address', request({}, { base: null, token: null }))
    expect(opened).toEqual({ kind: 'opened', url: null })
    expect(seen('env')).toContain('TDF_BASE=\n')
    expect(seen('env')).not.toContain('GH_TOKEN')
  })

  it('tells a reviewer of the check, of what tdf committed, and else of what was asked', async () => {
    const check = { command: 'npm test', exitCode: 0 } as NonNullable<Task['result']>['check']
    await byCommand(
      'cat > "$1/body"',
      request({ result: { ...RESULT, check, salvaged: true, summary: ' ' } as Task['result'] }),
    )
    expect(seen('body')).toBe(
      'say hi\n\n---\nTask t1 of tdf, done by fake: verified. `npm test` passed after the agent had ended. ' +
        'The last commit was made by tdf from work that the agent had left uncommitted.\n',
    )
  })

  it('tells a reviewer what was asked where there is no result to speak of', async () => {
    const spec = { ...aTask().spec, prompt: '  do this\n' }
    await byCommand('cat > "$1/body"', request({ result: null, spec }))
    expect(seen('body')).toMatch(/^do this\n\n---\n.* verified\. No check was run\.\n$/)
  })

  it('tells a reviewer of artifacts, twenty by name', async () => {
    const list = Array.from({ length: 22 }, (_, at) => ({ path: `a\`${at}`, bytes: 1024, sha256: '', from: 'agent' }))
    const salvage = { files: { commit: 'c', list } } as unknown as NonNullable<Task['facts']['salvage']>
    await byCommand('cat > "$1/body"', request({ facts: { salvage } }))
    const [, body = ''] = seen('body').split('No check was run.\n')
    const lines = body.split('\n')
    expect(lines.slice(0, 4)).toEqual([
      ...['', 'Artifacts, on the machine of tdf (`tdf artifacts get t1`):', "- `a'0` (1.0 kB)", "- `a'1` (1.0 kB)"],
    ])
    expect([lines.length, ...lines.slice(-3)]).toEqual([24, "- `a'19` (1.0 kB)", '- and 2 more', ''])
  })

  it.each([
    ['75 is tried again', 'echo " busy " >&2; exit 75', 'failed', 'busy'],
    ['1 is final', 'echo never >&2; exit 1', 'refused', 'never'],
    ['3 without a word is said', 'exit 3', 'refused', 'it ended with 3'],
    ['by a signal is tried again', 'kill -9 $$', 'failed', 'it ended with null'],
  ])('that ends with %s', async (_, script, kind, why) => {
    expect(await byCommand(script)).toEqual({ kind, why })
  })

  it('that says much is quoted by its end', async () => {
    const { why } = (await byCommand(`head -c 3000 /dev/zero | tr '\\0' x >&2; echo end >&2; exit 1`)) as {
      why: string
    }
    expect([why.length, why.endsWith('xend')]).toEqual([1_000, true])
  })
})

describe('gh', () => {
  /** A gh that answers `pr list` and `pr create` by these scripts, and notes what it was asked. */
  function gh(list: string, create: string): void {
    const script = `#!/bin/sh\necho "$@" >> ${folder}/asked\ncase "$2" in list) ${list};; create) cat > ${folder}/body; ${create};; esac\n`
    writeFileSync(path.join(folder, 'gh'), script)
    chmodSync(path.join(folder, 'gh'), 0o755)
  }
  const open = (of = request()) =>
    openPullRequest({ prCommand: [] } as Partial<Config['push']> as Config['push'], of, signal)
  const ADDRESS = 'https://git.test/pr/1'
  const LIST = 'pr list --repo https://git.test/a.git --head tdf/x --state open --json url --jq .[].url'
  const CREATE = 'pr create --repo https://git.test/a.git --head tdf/x'

  it('opens one, with title and words', async () => {
    gh('true', `echo ${ADDRESS}`)
    expect(await open()).toEqual({ kind: 'opened', url: ADDRESS })
    expect(seen('asked')).toBe(`${LIST}\n${CREATE} --base main --title say hi --body-file -\n`)
    expect(seen('body')).toContain('Task t1 of tdf')
  })

  it('opens it as a draft where that is wanted, which a command is told', async () => {
    gh('true', 'true')
    await open(request({}, { draft: true }))
    expect(seen('asked')).toContain(`${CREATE} --base main --draft --title`)
    await byCommand('echo "$TDF_DRAFT" > "$1/draft"', request({}, { draft: true }))
    expect(seen('draft')).toBe('1\n')
  })

  it('leaves the base to the repository where none is known', async () => {
    gh('true', 'true')
    expect(await open(request({}, { base: null }))).toEqual({ kind: 'opened', url: null })
    expect(seen('asked')).toContain(`${CREATE} --title`)
  })

  it('opens none where one is open', async () => {
    gh(`echo ${ADDRESS}`, 'true')
    expect(await open()).toEqual({ kind: 'opened', url: ADDRESS })
    expect(seen('asked')).toBe(`${LIST}\n`)
  })

  it.each([
    ['exit 4', 'true', 'refused'],
    ['exit 1', 'true', 'failed'],
    ['true', 'exit 4', 'refused'],
    ['true', 'exit 1', 'failed'],
  ])('without a login it is refused, else tried again (list: %s, create: %s)', async (list, create, kind) => {
    gh(list, create)
    expect(await open()).toMatchObject({ kind })
  })

  it('that is not there is refused with both ways out', async () => {
    process.env.PATH = folder
    expect(await open()).toEqual({
      kind: 'refused',
      why: 'gh is not on the PATH of the daemon; install it, or set [push] pr_command',
    })
  })
})
