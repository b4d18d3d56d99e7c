/** Files that are to be kept beside a result: each is there, or named with the reason that matters most. */
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { salvage, salvageAfterCheck } from '../../../../../../src/agent/salvage/salvage.ts'
import { hasMade } from '../../../../../../src/core/saved.ts'
import { REF, scene, template } from '../scene.ts'

const wish = (maxBytes: number, ...globs: string[]) => ({ globs, maxBytes })

it('one that fits neither beside the result nor into it counts as work that was left out', async () => {
  const { agent, workspace, sh } = scene(template())
  sh('head -c 5000 /dev/zero > big.bin')
  const answer = await salvage(agent, workspace, REF, 1_000, wish(1_000, '*.bin'))
  expect(answer.leftOut).toMatchObject([{ path: 'big.bin', kind: 'oversize', bytes: 5_000 }])
  expect(hasMade(answer)).toBe(true)
})

it('one that fits into the result alone is named as what is not kept beside it', async () => {
  const { agent, workspace, sh, files } = scene(template())
  sh('head -c 5000 /dev/zero > big.bin')
  const { leftOut } = await salvage(agent, workspace, REF, 10_000, wish(1_000, '*.bin'))
  expect(leftOut).toMatchObject([{ path: 'big.bin', kind: 'artifact' }])
  expect(files()).toContain('big.bin')
})

it('a folder of them that cannot be listed is named', async () => {
  const { agent, workspace, folder } = scene(template())
  const odd = Buffer.concat([Buffer.from(join(folder, 'artifacts', 'f')), Buffer.from([0xfc]), Buffer.from('nf')])
  mkdirSync(odd, { recursive: true })
  writeFileSync(Buffer.concat([odd, Buffer.from('/report')]), 'lost')
  writeFileSync(join(folder, 'artifacts', 'log'), 'kept')
  const { files, leftOut } = await salvage(agent, workspace, REF, 1_000, wish(1_000))
  expect(files?.list.map(({ path }) => path)).toEqual(['log'])
  expect(leftOut).toMatchObject([{ path: expect.stringMatching(/^f.*nf\/$/), reason: 'it could not be read' }])
})

it('one of the folder takes nothing of the same name out of the work tree', async () => {
  const { agent, workspace, folder, sh, files, kept } = scene(template())
  sh('echo work > report; echo other > other')
  mkdirSync(join(folder, 'artifacts'))
  writeFileSync(join(folder, 'artifacts', 'report'), 'of the folder')
  const answer = await salvage(agent, workspace, REF, 1_000, wish(1_000, 'report', 'other'))
  expect(answer.files?.list.map(({ path }) => path)).toEqual(['other', 'report'])
  expect(files()).toEqual(expect.arrayContaining(['report']))
  expect(files()).not.toContain('other')
  expect(kept('show', `${REF}-files:report`)).toBe('of the folder')
})

it('one in an ignored folder lets all else in it be named one by one', async () => {
  const { agent, workspace, sh } = scene(template())
  sh('mkdir -p .claude/a/b .claude/c; for at in a a/b c; do echo 1 > .claude/$at/1.txt; done; echo 2 > .claude/a/2.txt')
  const { files, leftOut } = await salvage(
    agent,
    workspace,
    REF,
    1_000,
    wish(1_000, '.claude/a/b/*', '.claude/a/2.txt'),
  )
  expect(files?.list.map(({ path }) => path)).toEqual(['.claude/a/2.txt', '.claude/a/b/1.txt'])
  expect(leftOut.map(({ path }) => path).sort()).toEqual(['.claude/a/1.txt', '.claude/c/'])
})

describe('what a check leaves', () => {
  const left = () => {
    const s = scene(template())
    const of = (name: string, content: string) => writeFileSync(join(s.folder, 'artifacts', name), content)
    mkdirSync(join(s.folder, 'artifacts'))
    const saved = () => salvage(s.agent, s.workspace, REF, 1_000, wish(1_000))
    const checked = async (...globs: string[]) => {
      s.session('check', 1)
      return salvageAfterCheck(s.agent, s.workspace, REF, wish(1_000, ...globs))
    }
    const listed = ({ files }: Awaited<ReturnType<typeof saved>>) => files?.list.map(({ path, from }) => [path, from])
    return { ...s, of, saved, checked, listed }
  }

  it("is added to what the agent left: what is as it was stays the agent's", async () => {
    const { of, saved, checked, listed, kept, folder } = left()
    for (const name of ['same', 'other']) of(name, 'by the agent')
    const before = await saved()
    of('other', 'by the check')
    of('new', 'new')
    const answer = await checked()
    expect(listed(answer)).toEqual([...[['other', 'check']], ...[['same', 'agent']], ...[['new', 'check']]])
    expect({ ...answer, files: before.files }).toEqual(before)
    expect(kept('rev-parse', `${REF}-files`)).toBe(answer.files?.commit)
    expect(kept('rev-parse', `${REF}-files^`)).toBe(before.files?.commit)
    expect(kept('show', `${REF}-files:other`)).toBe('by the check')
    const inScratch = readdirSync(join(folder, 'scratch'))
    expect(inScratch.filter(name => !name.endsWith('.bundle'))).toEqual([])
  })

  it('is all there is where the agent left nothing, and nothing new is no commit', async () => {
    const { of, saved, checked, listed, kept, session } = left()
    expect((await saved()).files).toBeNull()
    expect((await checked()).files).toBeNull()
    of('report', 'by the check')
    session('again', 2)
    const answer = await checked()
    expect(listed(answer)).toEqual([['report', 'check']])
    session('once more', 3)
    expect((await checked()).files).toEqual(answer.files)
    expect(kept('rev-parse', `${REF}-files`)).toBe(answer.files?.commit)
  })

  it('is refused where nothing was saved before', async () => {
    const { checked } = left()
    await expect(checked()).rejects.toMatchObject({ code: 'not_found' })
  })
})
