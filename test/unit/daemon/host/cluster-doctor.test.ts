/** What `tdf doctor` says of daemons that share a database. */
import { expect, it } from 'vitest'
import { findingsOf } from '../../../../daemon/host/cluster/doctor.ts'
import { VERSION } from '../../../../src/platform/version.ts'

const NOW = 1_700_000_000_000
const facts = { version: '15.8', now: NOW, standbys: 1, isSynchronous: true }
const daemon = (name: string, role: 'serving' | 'standby', change = {}) => ({
  ...{ name, role, epoch: 3, version: VERSION, url: `${name}:7434`, seenAt: NOW, isThere: true },
  ...change,
})
const both = [daemon('one', 'serving'), daemon('two', 'standby')]
const statesOf = (...given: Parameters<typeof findingsOf>) =>
  findingsOf(...given).map(({ check, state }) => `${check} ${state}`)

it('is content with a standby that commits wait for, clocks that agree and a daemon that stands by', () => {
  expect(statesOf(facts, both, NOW + 500)).toEqual(['replication ok', 'clock ok', 'daemons ok'])
})

it('warns of a database that could lose what was stored, whichever way', () => {
  for (const change of [{ isSynchronous: false }, { standbys: 0 }, { isSynchronous: false, standbys: 0 }]) {
    expect(statesOf({ ...facts, ...change }, both, NOW)[0]).toBe('replication warn')
  }
})

it('warns of clocks that differ, of being alone, and of other versions', () => {
  expect(findingsOf(facts, both, NOW - 7_200)[1]).toMatchObject({
    state: 'warn',
    message: expect.stringContaining('7s'),
  })
  const gone = [daemon('one', 'serving'), daemon('two', 'standby', { isThere: false })]
  expect(statesOf(facts, gone, NOW)[2]).toBe('daemons warn')
  const mixed = [daemon('one', 'serving'), daemon('two', 'standby', { version: '0.0.1' })]
  expect(findingsOf(facts, mixed, NOW).slice(2)).toMatchObject([
    { state: 'ok' },
    { state: 'warn', message: expect.stringContaining('two is of version 0.0.1') },
  ])
})
