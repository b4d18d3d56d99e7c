/** What keeps tasks from being begun, and that a drain holds over a restart until it is undone. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createAdmission, keepsMachines } from '../../../../daemon/placement/admission.ts'
import { setDraining, takeUpDraining } from '../../../../daemon/placement/drain.ts'
import { obstacles } from '../../../../src/text/waiting.ts'
import { HOUR, type Lives, lives, MIN } from '../../../support/daemon/lives.ts'

describe('admission', () => {
  it('is open while nothing stands against it', () => {
    const admission = createAdmission()
    expect(admission.obstacle()).toBeNull()
    expect(admission.reasonOf('disk')).toBeNull()
  })

  it('says when it closes and when it opens, and names what is in the way', () => {
    const admission = createAdmission()
    expect(admission.set('disk', 'the disk is full')).toBe(true)
    expect(admission.set('drain', 'drained')).toBe(false)
    expect(admission.obstacle()).toBe('the disk is full')
    expect(admission.reasonOf('drain')).toBe('drained')
    expect(admission.set('disk', null)).toBe(false)
    expect(admission.obstacle()).toBe('drained')
    expect(admission.reasonOf('disk')).toBeNull()
    expect(admission.set('drain', null)).toBe(true)
    expect(admission.set('drain', null)).toBe(false)
    expect(admission.obstacle()).toBeNull()
  })

  it('keeps every machine after a restored database, and for no other cause', () => {
    const admission = createAdmission()
    admission.set('drain', 'drained')
    expect(keepsMachines({ admission })).toBe(false)
    admission.set('restore', 'restored')
    expect(keepsMachines({ admission })).toBe(true)
  })
})

describe('a drained daemon', () => {
  let all: Lives
  beforeEach(async () => {
    all = await lives()
  })
  afterEach(() => all.end())
  const step = () => all.life.task('task-1').step

  it('begins no task, also after a restart, until the drain is undone', async () => {
    await setDraining(all.life.engine, true)
    await all.submit()
    expect(await all.until(() => step() !== 'node_selection', HOUR)).toBe(false)
    await all.die()
    await all.begin()
    takeUpDraining(all.life.engine)
    expect(all.life.engine.admission.obstacle()).toBe(obstacles.drain())
    expect(await all.until(() => step() !== 'node_selection', HOUR)).toBe(false)
    await setDraining(all.life.engine, false)
    // At once: before a sweep would look.
    expect(await all.until(() => step() !== 'node_selection', MIN)).toBe(true)
    expect(await all.rest()).toBe(true)
  })

  it('says in its log when it begins and when it ends, and nothing when nothing changes', async () => {
    const said: unknown[] = []
    let asked = 0
    const { store, admission, log } = all.life.engine
    const placementChanged = () => {
      asked += 1
    }
    const parts = {
      store,
      admission,
      placementChanged,
      log: { ...log, info: (...about: unknown[]) => said.push(about) },
    }
    takeUpDraining(parts)
    expect([said, asked]).toEqual([[], 0])
    await setDraining(parts, true)
    await setDraining(parts, true)
    expect([said, asked]).toEqual([[[{}, obstacles.drain()]], 0])
    await setDraining(parts, false)
    expect(said.slice(1)).toEqual([[{}, 'tasks are begun again']])
    expect(asked).toBe(1)
  })
})
