import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { asSlot, readSlots, refuseMissing } from '../../../../src/agent/isolation/slot.ts'
import { tempFolder } from './support/temp.ts'

const PASSWD = `root:x:0:0:root:/root:/bin/bash
tdf-slot1:x:998:997::/home/tdf-slot1:/bin/bash
homeless:x:996:996::/:/bin/sh
`

function passwd(): string {
  const file = join(tempFolder(), 'passwd')
  writeFileSync(file, PASSWD)
  return file
}

describe('slots', () => {
  it('are users of the machine, with their group and home', () => {
    expect(readSlots(['tdf-slot1'], passwd())).toEqual([
      { name: 'tdf-slot1', uid: 998, gid: 997, home: '/home/tdf-slot1' },
    ])
    expect(readSlots([])).toEqual([])
  })

  it.each(['root', 'nobody-here', 'homeless'])('are refused at the start when %s is named', name => {
    expect(() => readSlots([name], passwd())).toThrow(`${name} is no user that can be a slot`)
  })

  it('run a command without any privilege of the agent', () => {
    const slot = { name: 'tdf-slot1', uid: 998, gid: 997, home: '/home/tdf-slot1' }
    expect(asSlot(slot, ['claude', '--reuid=0'])).toEqual([
      ...['setpriv', '--reuid=998', '--regid=997', '--init-groups', '--no-new-privs'],
      ...['--inh-caps=-all', '--ambient-caps=-all', '--', 'claude', '--reuid=0'],
    ])
  })

  it('tell a missing program from one that ends with 127', () => {
    expect(() => refuseMissing('sh', '/nowhere:/bin', '/')).not.toThrow()
    expect(() => refuseMissing('no-such-program', '/usr/bin:/bin', '/')).toThrow('no no-such-program')
    expect(() => refuseMissing('./sh', '/bin', '/bin')).not.toThrow()
    expect(() => refuseMissing('./sh', '/bin', '/usr')).toThrow('no ./sh')
  })
})
