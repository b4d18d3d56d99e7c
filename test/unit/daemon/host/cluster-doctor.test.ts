/** What `tdf doctor` says of daemons that share a database. */
import { expect, it } from 'vitest'
import { findingsOf } from '../../../../daemon/host/cluster/doctor.ts'
import { VERSION } from '../../../../src/platform/version.ts'

const facts = { version: '15.13', keyCheck: 'abc', standbys: 1, isSynchronous: true }
const daemon = (name: string, role: 'serving' | 'standby', change = {}) => ({
  name,
  role,
  epoch: 3,
  version: VERSION,
  url: `${name}:7434`,
  seenAt: 1_700_000_000_000,
  isThere: true,
  keyCheck: 'abc',
  skewMs: 500,
  ...change,
})
const one = daemon('one', 'serving')
const both = [one, daemon('two', 'standby')]
const statesOf = (...given: Parameters<typeof findingsOf>) =>
  findingsOf(...given).map(({ check, state }) => `${check} ${state}`)
/** What is wrong when the second daemon is so. */
const wrongOf = (change: object) =>
  findingsOf(facts, [one, daemon('two', 'standby', change)]).filter(({ state }) => state !== 'ok')

it('is content with a standby that commits wait for, clocks that agree, one key and a daemon that stands by', () => {
  expect(statesOf(facts, both)).toEqual(['replication ok', 'clock ok', 'keys ok', 'daemons ok'])
})

it('warns of a database that could lose what was stored, whichever way, and of one that is old', () => {
  for (const change of [{ isSynchronous: false }, { standbys: 0 }, { isSynchronous: false, standbys: 0 }]) {
    expect(statesOf({ ...facts, ...change }, both)[0]).toBe('replication warn')
  }
  for (const version of ['13.22', '15.12', '16.8', '17.4', '17beta1']) {
    expect(statesOf({ ...facts, version }, both)[0]).toBe('database warn')
  }
  for (const version of ['16.9', '17.5', '18.0', '19beta1']) {
    expect(statesOf({ ...facts, version }, both)[0]).toBe('replication ok')
  }
})

it('warns of clocks that differ from that of the database, either way, and names the daemon', () => {
  for (const skewMs of [7_200, -7_200]) {
    expect(wrongOf({ skewMs })).toMatchObject([
      { check: 'clock', state: 'warn', message: expect.stringMatching(/host of two .* 7s/) },
    ])
  }
})

it('says which daemon has another key file by now, or none that it may use', () => {
  expect(wrongOf({ keyCheck: 'def' })).toMatchObject([
    { check: 'keys', state: 'fail', message: expect.stringContaining('of two is not that of the installation') },
  ])
  expect(wrongOf({ keyCheck: '' })).toMatchObject([
    { check: 'keys', message: expect.stringContaining('cannot be read') },
  ])
})

it('says nothing of what an older daemon does not tell, and warns of its version', () => {
  expect(wrongOf({ keyCheck: null, skewMs: null, version: '0.0.1' })).toMatchObject([
    { check: 'daemons', state: 'warn', message: expect.stringContaining('two is of version 0.0.1') },
  ])
})

it('warns of being alone, and has no complaint about a daemon that is gone', () => {
  const gone = { isThere: false, skewMs: 90_000, keyCheck: 'def' }
  expect(wrongOf(gone)).toMatchObject([{ check: 'daemons', state: 'warn' }])
})
