/** Work that an agent left behind comes home, whatever it did to the repository. */
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { type AgentProcess, startAgentProcess } from '../support/agent.ts'
import { tempFolder } from '../support/temp.ts'
import { git, readyWorkspace, repository, runScript } from '../support/work.ts'

const REF = 'refs/tdf/task-1/1'
let agent: AgentProcess

beforeAll(async () => {
  agent = await startAgentProcess({ env: { TDF_SALVAGE_MAX_BYTES: '100000' } })
})

async function savedAfter(script: string, files?: Record<string, string>) {
  const id = await readyWorkspace(agent, `file://${repository(files)}`)
  await runScript(agent, id, script)
  return { id, ...(await salvage(id)) }
}

async function salvage(id: string) {
  const { status, json } = await agent.post(`/workspaces/${id}/salvage`, { ref: REF })
  if (status !== 200) throw new Error(`salvage refused: ${JSON.stringify(json)}`)
  return { answer: json, home: await fetchHome(id) }
}

/** The result as the daemon would have it: an empty repository into which the bundle was fetched. */
async function fetchHome(id: string): Promise<string> {
  const folder = tempFolder()
  git(folder, 'init', '-q', '--bare')
  const bundle = join(folder, 'result.bundle')
  const { status, bytes } = await agent.get(`/workspaces/${id}/bundle?ref=${REF}`)
  if (status !== 200) throw new Error(`no bundle: ${status}`)
  writeFileSync(bundle, bytes)
  git(folder, 'fetch', '-q', bundle, '+refs/*:refs/*')
  return folder
}

const files = (home: string, ref = REF) => git(home, 'ls-tree', '-r', '--name-only', ref).trim().split('\n')
const show = (home: string, path: string, ref = REF) => git(home, 'show', `${ref}:${path}`)

describe('what is left uncommitted', () => {
  it('in changed, new and deleted files', async () => {
    const script = 'echo changed > a.txt; mkdir -p deep/er; echo new > deep/er/new.txt; rm b.txt'
    const { answer, home } = await savedAfter(script, { 'a.txt': 'a\n', 'b.txt': 'b\n' })
    expect(answer).toMatchObject({ ahead: 1, salvaged: true, leftOut: [] })
    expect(files(home)).toEqual(['a.txt', 'deep/er/new.txt'])
    expect(show(home, 'a.txt')).toBe('changed\n')
    expect(git(home, 'log', '-1', '--format=%an %ae', REF).trim()).toBe('Ann Author ann@example.com')
  })

  it('in the index, with a lock left behind', async () => {
    const { answer, home } = await savedAfter('echo staged > s.txt; git add s.txt; touch .git/index.lock')
    expect(answer.salvaged).toBe(true)
    expect(files(home)).toContain('s.txt')
  })

  it('in a repository of its own inside the work tree', async () => {
    const script = 'git init -q sub; cd sub; echo x > inner.txt; git add -A; git commit -qm inner; echo y > more.txt'
    const { answer, home } = await savedAfter(script)
    expect(answer.salvaged).toBe(true)
    expect(files(home)).toEqual(expect.arrayContaining(['sub/inner.txt', 'sub/more.txt']))
  })

  it('and not what is ignored', async () => {
    const { answer, home } = await savedAfter('echo x > out.log; echo y > kept.txt', { '.gitignore': '*.log\n' })
    expect(answer.salvaged).toBe(true)
    expect(files(home)).toEqual(['.gitignore', 'kept.txt'])
  })

  it('without files above the limit, which are named', async () => {
    const { answer, home } = await savedAfter('head -c 200000 /dev/zero > big.bin; echo y > small.txt')
    expect(answer.leftOut).toMatchObject([{ path: 'big.bin', bytes: 200000 }])
    expect(files(home)).toContain('small.txt')
    expect(files(home)).not.toContain('big.bin')
  })

  it('with names that are no text, links, and the executable bit', async () => {
    const script = `printf x > "$(printf 'b\\377d')"; ln -s /etc/passwd link; echo run > run.sh; chmod +x run.sh`
    const { answer, home } = await savedAfter(script)
    expect(answer.salvaged).toBe(true)
    const tree = git(home, 'ls-tree', '-r', REF)
    expect(tree).toMatch(/^120000 blob \w+\tlink$/m)
    expect(tree).toMatch(/^100755 blob \w+\trun\.sh$/m)
    expect(tree).toContain('"b\\377d"')
  })
})

describe('what is committed', () => {
  it('on the branch, without a commit of ours', async () => {
    const { answer, home } = await savedAfter(
      'echo 1 > one; git add -A; git commit -qm one; echo 2 > two; git add -A; git commit -qm two',
    )
    expect(answer).toMatchObject({ ahead: 2, salvaged: false })
    expect(git(home, 'log', '--format=%s', REF).trim().split('\n')).toEqual(['two', 'one', 'first'])
  })

  it('on a branch of its own, or on none', async () => {
    const moved = await savedAfter('git checkout -q -b mine; echo 1 > one; git add -A; git commit -qm mine')
    expect(moved.answer.ahead).toBe(1)
    expect(files(moved.home)).toContain('one')
    const detached = await savedAfter('git checkout -q --detach; echo 1 > one; git add -A; git commit -qm free')
    expect(detached.answer.ahead).toBe(1)
    expect(files(detached.home)).toContain('one')
  })

  it('in the stash and on other branches, beside the result', async () => {
    const { home } = await savedAfter(
      'git checkout -q -b side; echo s > side; git add -A; git commit -qm side; git checkout -q -; echo w > README.md; git stash -q',
    )
    const refs = git(home, 'for-each-ref', '--format=%(refname)')
    expect(refs).toMatch(/-heads\//)
    expect(refs).toMatch(/-stash\//)
  })
})

describe('a hostile repository', () => {
  it('runs nothing of its own: hooks, filters, fsmonitor, external diff', async () => {
    const mark = join(tempFolder(), 'ran')
    const script = [
      `printf '#!/bin/sh\\ntouch ${mark}\\n' > .git/hooks/pre-commit; chmod +x .git/hooks/pre-commit`,
      `cp .git/hooks/pre-commit .git/hooks/post-commit; cp .git/hooks/pre-commit .git/hooks/post-index-change`,
      `git config core.fsmonitor "touch ${mark}"; git config filter.x.clean "touch ${mark}"`,
      `git config filter.x.process "touch ${mark}"; git config diff.external "touch ${mark}"`,
      `git config core.hooksPath .git/hooks; git config gpg.program "touch ${mark}"; git config commit.gpgSign true`,
      `echo '* filter=x diff=x' > .gitattributes; echo new > new.txt`,
    ].join('\n')
    const { answer, home } = await savedAfter(script)
    expect(answer.salvaged).toBe(true)
    expect(files(home)).toContain('new.txt')
    expect(existsSync(mark)).toBe(false)
  })

  it('cannot lead out of the work tree by a link', async () => {
    const outside = tempFolder()
    writeFileSync(join(outside, 'secret.txt'), 'secret')
    const { home } = await savedAfter(`rm -rf docs; ln -s ${outside} docs; echo n > n.txt`, { 'docs/a.txt': 'a\n' })
    expect(files(home)).toEqual(expect.arrayContaining(['docs', 'n.txt']))
    expect(files(home).some(name => name.includes('secret'))).toBe(false)
  })

  it('is saved although its .git is broken', async () => {
    const { answer, home } = await savedAfter('echo n > n.txt; echo garbage > .git/HEAD; echo garbage > .git/config')
    expect(answer.salvaged).toBe(true)
    expect(files(home)).toEqual(expect.arrayContaining(['README.md', 'n.txt']))
  })

  it('is saved although its .git is gone', async () => {
    const { answer, home } = await savedAfter('echo n > n.txt; rm -rf .git')
    expect(answer).toMatchObject({ ahead: 1, salvaged: true })
    expect(files(home)).toEqual(expect.arrayContaining(['README.md', 'n.txt']))
  })
})

describe('the log', () => {
  it('comes home beside the result', async () => {
    const { home } = await savedAfter('echo said something')
    const [log] = files(home, `${REF}-log`)
    expect(log).toMatch(/^s-[\d-]+\/output\.log$/)
    expect(show(home, log ?? '', `${REF}-log`)).toBe('said something\n')
  })
})

describe('a second salvage', () => {
  it('after another session has its work too', async () => {
    const { id, answer } = await savedAfter('echo 1 > one')
    await runScript(agent, id, 'echo 2 > two')
    const second = await salvage(id)
    expect(second.answer.commit).not.toBe(answer.commit)
    expect(files(second.home)).toEqual(expect.arrayContaining(['one', 'two']))
  })
})
