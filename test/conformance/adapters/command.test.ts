import { beforeAll, describe, expect, it } from 'vitest'
import { acp, claude } from './dialects.ts'
import { openStage, type Stage } from './stage.ts'

const MIB = 1024 * 1024

describe('the adapter of a command', () => {
  let stage: Stage
  beforeAll(async () => {
    stage = await openStage('command')
  })

  it('reports nothing but how it ended, whatever it prints', async () => {
    const said = { outcome: 'none', failure: null, summary: null, usage: null, resetAt: null, pendingPermission: null }
    expect(await stage.run([...claude.done('Done'), '@exit 3'])).toMatchObject({ ...said, exitCode: 3 })
    expect(await stage.run(['@stderr Error: 401', '@exit 0'])).toMatchObject({ ...said, exitCode: 0 })
    expect(await stage.run([...acp.say('hi'), '@die'])).toMatchObject({ ...said, signal: 'SIGKILL' })
    expect(
      await stage.run([`@big ${6 * MIB} BIG`, `@bytes ${Buffer.from([0xff, 0, 27]).toString('base64')}`]),
    ).toMatchObject({ exitCode: 0 })
  })
})
