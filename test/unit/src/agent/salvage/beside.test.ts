/** What beside HEAD is worth a ref of its own: by rules alone, without a repository. */
import { describe, expect, it } from 'vitest'
import type { AgentHead, AgentRefs } from '../../../../../src/agent/salvage/agent-refs.ts'
import {
  type Beside,
  type Candidate,
  candidatesOf,
  historyOf,
  peel,
  reach,
  worthwhile,
} from '../../../../../src/agent/salvage/beside.ts'
import type { View } from '../../../../../src/agent/salvage/view.ts'

const REF = 'refs/tdf/task-1/1'
const oid = (digit: string) => digit.repeat(40)
const [A, B, C, D] = ['a', 'b', 'c', 'd'].map(oid) as [string, string, string, string]

const HEAD: AgentHead = { commit: A, branch: 'refs/heads/tdf/x', isUnborn: false, open: new Map(), leftBehind: [] }
const refsOf = (all: Record<string, string>, stashes: string[] = []): AgentRefs => ({
  ...{ all: new Map(Object.entries(all)), stashes },
})

function candidates(change: Partial<Beside>) {
  const left: unknown[] = []
  const beside = { ref: REF, refs: refsOf({}), head: HEAD, linked: [], built: {}, outputBranch: 'tdf/x', ...change }
  const found = candidatesOf(beside, (...args) => left.push(args))
  return { found, left, names: found.map(({ name }) => name) }
}

describe('what is a candidate', () => {
  it('is a branch that the build did not leave so, under its own name', () => {
    const all = { 'refs/heads/new': B, 'refs/heads/old': A, 'refs/heads/moved': C, 'refs/remotes/origin/x': D }
    const { found } = candidates({ refs: refsOf(all), built: { 'refs/heads/old': A, 'refs/heads/moved': A } })
    expect(found).toEqual([
      { ref: `${REF}-heads/new`, name: 'new', kind: 'branch', oid: B, onlyUnreached: false },
      { ref: `${REF}-heads/moved`, name: 'moved', kind: 'branch', oid: C, onlyUnreached: false },
    ])
  })

  it('is not the branch that is the result already: the one of HEAD, or the one of the task', () => {
    const all = { 'refs/heads/tdf/x': A, 'refs/heads/mine': A, 'refs/heads/other': A }
    const head = { ...HEAD, branch: 'refs/heads/mine' }
    expect(candidates({ refs: refsOf(all), head }).names).toEqual(['other'])
    const moved = { ...all, 'refs/heads/tdf/x': B, 'refs/heads/mine': C }
    expect(candidates({ refs: refsOf(moved), head }).names).toEqual(['tdf/x', 'mine', 'other'])
  })

  it('is each stash in its order', () => {
    expect(candidates({ refs: refsOf({ 'refs/stash': B }, [B, C]) }).found).toEqual([
      { ref: `${REF}-stash/0`, name: 'stash@{0}', kind: 'stash', oid: B, onlyUnreached: false },
      { ref: `${REF}-stash/1`, name: 'stash@{1}', kind: 'stash', oid: C, onlyUnreached: false },
    ])
  })

  it('is a tag or a note only for commits that nothing else holds', () => {
    const all = { 'refs/tags/v1': B, 'refs/tags/old': C, 'refs/notes/commits': D, 'refs/headsup/x': B }
    const { found } = candidates({ refs: refsOf(all), built: { 'refs/tags/old': C } })
    expect(found.map(({ name, onlyUnreached, kind }) => [name, onlyUnreached, kind])).toEqual([
      ...[['tags/v1', true, 'branch']],
      ...[['notes/commits', true, 'branch']],
      ...[['headsup/x', true, 'branch']],
    ])
    expect(found[0]?.ref).toBe(`${REF}-others/tags/v1`)
  })

  it('is the other side of what is open, and its autostash as a stash, in each work tree', () => {
    const open = new Map([
      ['MERGE_HEAD', B],
      ['rebase-merge/autostash', C],
      ['MERGE_AUTOSTASH', C],
    ])
    const head = { ...HEAD, open }
    const linked = [{ id: 'w1', head: { ...HEAD, open: new Map([['MERGE_HEAD', D]]) } }] as unknown as Beside['linked']
    const { found } = candidates({ head, linked })
    expect(found.map(one => [one.name, one.kind, one.oid, one.onlyUnreached])).toEqual([
      ...[['MERGE_HEAD', 'branch', B, true]],
      ...[['rebase-merge/autostash', 'stash', C, true]],
      ...[['MERGE_AUTOSTASH', 'stash', C, true]],
      ...[['MERGE_HEAD-w1', 'branch', D, true]],
    ])
  })

  it('is each commit that was left behind, once, however many work trees left it', () => {
    const head = { ...HEAD, leftBehind: [B, C] }
    const linked = [{ id: 'w1', head: { ...HEAD, leftBehind: [C, D] } }] as unknown as Beside['linked']
    const { found } = candidates({ head, linked })
    expect(found.map(one => [one.name, one.oid])).toEqual([
      ...[['left-behind-1', B]],
      ...[['left-behind-2', C]],
      ...[['left-behind-3', D]],
    ])
  })

  it('has a name that git takes, and there are at most 500: the others are named', () => {
    const long = 'x'.repeat(1010)
    const all = Object.fromEntries(Array.from({ length: 502 }, (_, at) => [`refs/heads/b${at}`, B]))
    const { found, left } = candidates({ refs: refsOf({ [`refs/heads/${long}`]: B, ...all }) })
    expect([found.length, found[0]?.name, found[499]?.name]).toEqual([500, 'b0', 'b499'])
    const reason = 'more than 500 refs beside HEAD are not saved'
    expect(left).toEqual(['b500', 'b501'].map(name => [name, 'refused', { reason }]))
  })

  it('is named as people read it', () => {
    const name = Buffer.from('grün').toString('latin1')
    expect(candidates({ refs: refsOf({ [`refs/heads/${name}`]: B }) }).names).toEqual(['grün'])
  })
})

/** A view that answers what git would. */
const view = (answers: Partial<View>) => answers as View
const candidate = (name: string, at: string, onlyUnreached = false): Candidate => ({
  ...{ ref: `${REF}-heads/${name}`, name, kind: 'branch', oid: at, onlyUnreached },
})

describe('what a candidate names', () => {
  it('is its commit; what has none is missing, unless it is a tag or was left behind', async () => {
    const asked: unknown[] = []
    const must = async (args: readonly string[], options?: { input?: string }) => {
      asked.push([args[0], options?.input])
      return `commit ${D}\n${B}^{commit} missing\ntree ${C}\ncommit ${A}x\n`
    }
    const missing: string[] = []
    const given = [candidate('tag', A), candidate('gone', B), candidate('note', C, true), candidate('odd', D)]
    const found = await peel(view({ must }), given, name => missing.push(name))
    expect(found).toEqual([{ ...given[0], oid: D }])
    expect(missing).toEqual(['gone', 'odd'])
    expect(asked).toEqual([['cat-file', [A, B, C, D].map(one => `${one}^{commit}\n`).join('')]])
    expect(await peel(view({}), [], () => {})).toEqual([])
  })
})

describe('the history of candidates', () => {
  const answer = (stdout: string, exitCode = 0) => ({ stdout, stderr: '', exitCode, timedOut: false }) as never

  it('is each commit with its parents, without what the base has', async () => {
    const asked: string[] = []
    const run: View['run'] = async (_, options) => {
      asked.push(String(options?.input))
      return answer(`${C} ${B} ${D}\n${B}\n`)
    }
    const history = await historyOf(view({ run }), [C], A, () => {})
    expect([...history]).toEqual([
      [C, [B, D]],
      [B, []],
    ])
    expect(asked).toEqual([`${C}\n^${A}\n`])
  })

  it('is that of the sound ones where one is broken, which is told', async () => {
    const run: View['run'] = async (_, options) => {
      const input = String(options?.input)
      return input.includes(D) ? answer(`${D}\n`, 128) : answer(`${input.slice(0, 40)} ${A}\n`)
    }
    const broken: string[] = []
    const history = await historyOf(view({ run }), [B, D, C], A, one => broken.push(one))
    expect([...history.keys()]).toEqual([B, C])
    expect(broken).toEqual([D])
  })
})

describe('what is worth its place', () => {
  const history = new Map([
    [D, [C, B]],
    [C, [B]],
    [B, [A]],
  ])

  it('is counted by the commits that it reaches, each once', () => {
    expect([reach(history, D), reach(history, C), reach(history, A)]).toEqual([3, 2, 0])
    const seen = new Set<string>([B])
    expect(reach(history, D, seen)).toBe(2)
    expect([...seen].sort()).toEqual([B, C, D])
  })

  const names = (all: Candidate[], known: string[] = []) => worthwhile(history, all, known).map(({ name }) => name)

  it('is every branch, also one without commits of its own', () => {
    expect(names([candidate('one', A), candidate('two', D)], [D])).toEqual(['one', 'two'])
  })

  it('is of the unsure only what nothing else holds', () => {
    const unsure = (name: string, at: string) => candidate(name, at, true)
    expect(names([unsure('x', D)])).toEqual(['x'])
    expect(names([unsure('x', D)], [D])).toEqual([])
    expect(names([unsure('x', C)], [D])).toEqual([])
    expect(names([unsure('x', D)], [C])).toEqual(['x'])
    expect(names([unsure('in the base', A)])).toEqual([])
    expect(names([candidate('branch', D), unsure('x', C)])).toEqual(['branch'])
    expect(names([unsure('newer', D), unsure('beneath it', C)])).toEqual(['newer'])
    expect(names([unsure('beneath it', B), unsure('newer', C)])).toEqual(['newer'])
    expect(names([unsure('x', D), unsure('the same', D)])).toEqual(['x'])
  })
})
