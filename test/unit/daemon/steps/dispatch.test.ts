/** A node agent that is there and never answers what it is asked to do, over real HTTP: `dispatch_timeout` ends the step. */
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { type CallbackRig, callbackRig } from '../../../support/daemon/callback-rig.ts'
import { makeRepository, tdf, until } from '../../../support/daemon/home.ts'

let rig: CallbackRig
const repository = makeRepository()
beforeAll(async () => {
  rig = await callbackRig('[runner]\ndispatch_timeout = "1500ms"\nworkspace_ready_poll_interval = "100ms"\n')
})
afterAll(async () => {
  await rig.end()
  repository.remove()
})
afterEach(() => {
  rig.agent.faults.hangs = null
})

it.each([
  ['workspace_creation', /^POST \/workspaces$/],
  ['agent_session', /^POST \/workspaces\/[^/]+\/agent-sessions$/],
])('in %s a call that hangs is cut at the deadline, and the attempt ends with the reason', async (step, call) => {
  rig.agent.faults.hangs = call
  const { out } = await tdf(rig.home, 'submit', '--repo', repository.dir, '-q', '--', 'fake', '{}')
  const id = out.trim()
  const isAsked = (line: string) => call.test(line) && (step === 'workspace_creation' || line.includes(id))
  await until('it was asked', () => rig.agent.requests.some(isAsked))
  // The call alone may take 30 s and longer.
  await until('the attempt ended', async () => (await rig.home.task(id)).verdict !== null, 20_000)
  expect(await rig.home.task(id)).toMatchObject({
    status: 'failed',
    verdict: 'infrastructure',
    error: { code: 'STEP_DEADLINE', step, message: expect.stringContaining('no answer within') },
  })
})
