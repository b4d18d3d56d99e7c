/** What a node becomes after each outcome, in each status: the whole table of rules. */
import { describe, expect, it } from 'vitest'
import { decideNode } from '../../../../daemon/nodes/rules/decide.ts'
import type { NodeInput, NodeOutcome } from '../../../../daemon/nodes/rules/outcome.ts'
import { isDrained, isDueForPull } from '../../../../daemon/nodes/rules/serving.ts'
import { nodeTransition } from '../../../../daemon/nodes/rules/transition.ts'
import { type ErrorCode, TdfError } from '../../../../src/core/errors.ts'
import { NODE_STATUSES, type Node, type NodeStatus } from '../../../../src/core/node.ts'
import { aConfig } from '../../../support/builders.ts'
import { aNode } from '../../../support/daemon/step-context.ts'

const SECOND = 1_000
const MIN = 60 * SECOND
const HOUR = 60 * MIN
const NOW = 1_000 * HOUR
const config = aConfig()
const { nodes, runner } = config
const poll = NOW + runner.provisionPollInterval
const beat = NOW + nodes.heartbeatInterval

const input = (change: Partial<NodeInput> = {}): NodeInput => ({
  now: NOW,
  lookedAt: NOW,
  config,
  jitter: 1,
  epochAt: 0,
  heartbeat: null,
  workspaces: 0,
  reservations: 0,
  unsaved: 0,
  unsavedAttempts: 0,
  keepsMachines: false,
  ...change,
})
/** A machine that was ordered, heard of just now. */
const machine = (status: NodeStatus, change: Partial<Node> = {}) =>
  aNode({ status, provider: 'hetzner', autoProvisioned: true, readyAt: NOW, ...change })
const box = (status: NodeStatus, change: Partial<Node> = {}) => aNode({ status, readyAt: NOW, ...change })
const late = { deadlineAt: NOW - 1 }
const soon = { deadlineAt: NOW + MIN }
const heardAt = (at: number) => ({ at, cpuPercent: null, memoryPercent: null, diskPercent: null })
const longSilent = { heartbeat: heardAt(NOW - nodes.lostAfter) }

const nothing: NodeOutcome = { kind: 'nothing' }
const gone: NodeOutcome = { kind: 'gone' }
const interrupted: NodeOutcome = { kind: 'interrupted' }
const handshaken: NodeOutcome = { kind: 'handshaken', stateId: 's2', cursor: 7, facts: { agentVersion: '1.2.3' } }
const known = { stateId: 's2', cursor: 7, facts: { agentVersion: '1.2.3' } }
const pulled = (needsHandshake = false): NodeOutcome => ({ kind: 'pulled', at: NOW - 5, cursor: 9, needsHandshake })
const failed = (code: ErrorCode, retryAfterMs?: number): NodeOutcome => ({
  kind: 'failed',
  error: new TdfError(code, 'it says no', retryAfterMs === undefined ? {} : { retryAfterMs }),
})
const up: NodeOutcome = {
  kind: 'machine',
  machine: {
    state: 'up',
    address: '10.0.0.1',
    facts: { serverId: '4711' },
    about: { size: 'medium', location: 'nbg1', pricePerHour: 0.01 },
  },
}
const coming: NodeOutcome = { kind: 'machine', machine: { state: 'coming', why: 'server 1, which is off' } }

interface Case {
  name: string
  node: Node
  outcome: NodeOutcome
  input?: Partial<NodeInput>
  is: Partial<Node>
  writes?: string[]
}

const cases: Case[] = [
  // On its way
  {
    name: 'an order is asked for at once',
    node: machine('ordered'),
    outcome: nothing,
    is: { status: 'creating', wakeAt: NOW },
  },
  {
    name: 'an order that no task needs is looked for and removed',
    node: machine('creating'),
    outcome: nothing,
    is: { status: 'destroying', wakeAt: NOW, waitingFor: expect.stringContaining('no task needs it') },
  },
  {
    name: 'an order that a task needs by now is asked for',
    node: machine('creating'),
    outcome: nothing,
    input: { reservations: 1 },
    is: { status: 'creating', wakeAt: NOW },
  },
  {
    name: 'a provider that is not enabled is waited for',
    node: machine('creating'),
    outcome: { kind: 'wait', why: 'provider hetzner to be enabled' },
    is: { status: 'creating', wakeAt: poll, waitingFor: 'provider hetzner to be enabled', deadlineAt: null },
  },
  {
    name: 'a machine that is up boots, and its agent has longer than the tasks that wait for it',
    node: machine('creating', soon),
    outcome: up,
    is: {
      status: 'booting',
      wakeAt: NOW,
      address: '10.0.0.1',
      size: 'medium',
      location: 'nbg1',
      pricePerHour: 0.01,
      deadlineAt: NOW + runner.agentReadyTimeout + 5 * SECOND,
      facts: { serverId: '4711' },
    },
  },
  {
    name: 'a static node has no deadline for its agent',
    node: box('creating'),
    outcome: { kind: 'machine', machine: { state: 'up', address: 'box' } },
    is: { status: 'booting', deadlineAt: null, address: 'box' },
  },
  {
    name: 'the time of a machine runs from its first answer',
    node: machine('creating'),
    outcome: coming,
    is: {
      status: 'creating',
      wakeAt: poll,
      deadlineAt: NOW + runner.provisionTimeout,
      waitingFor: 'server 1, which is off',
    },
  },
  {
    name: 'and is not begun anew',
    node: machine('creating', soon),
    outcome: coming,
    is: { status: 'creating', ...soon },
  },
  {
    name: 'a machine that is not made in time is removed',
    node: machine('creating', late),
    outcome: coming,
    is: { status: 'destroying', wakeAt: NOW, facts: { error: 'not created in time: server 1, which is off' } },
  },
  {
    name: 'a deadline that passed during a look is judged by the next look',
    node: machine('creating', late),
    outcome: coming,
    input: { lookedAt: NOW - 2 },
    is: { status: 'creating', wakeAt: poll },
  },
  {
    name: 'a static node is never late',
    node: box('creating', late),
    outcome: coming,
    is: { status: 'creating', wakeAt: poll },
  },
  {
    name: 'a machine that cannot be made is removed',
    node: machine('creating', { facts: { tries: 2 } }),
    outcome: { kind: 'machine', machine: { state: 'failed', why: 'broken', facts: { serverId: '1' } } },
    is: { status: 'destroying', wakeAt: NOW, facts: { serverId: '1', error: 'broken' } },
  },
  {
    name: 'one without a number, too',
    node: machine('creating'),
    outcome: { kind: 'machine', machine: { state: 'failed', why: 'broken' } },
    is: { status: 'destroying', facts: { error: 'broken' } },
  },
  {
    name: 'a provider that has no room is asked again, and the tries are counted',
    node: machine('creating', { facts: { tries: 3 } }),
    outcome: failed('CAPACITY'),
    is: { status: 'creating', wakeAt: NOW + 8 * runner.retryBaseDelay, facts: { tries: 4 }, waitingFor: 'it says no' },
  },
  {
    name: 'a provider is never asked more often than its poll interval',
    node: machine('creating'),
    outcome: failed('PROVIDER_UNAVAILABLE'),
    input: { jitter: 0 },
    is: { wakeAt: poll, facts: { tries: 1 } },
  },
  {
    name: 'a provider that names a time is asked then',
    node: machine('creating'),
    outcome: failed('PROVIDER_LIMIT', HOUR),
    is: { wakeAt: NOW + HOUR },
  },
  {
    name: 'the tries are forgotten once the provider answers',
    node: machine('creating', { facts: { tries: 3, serverId: '1' } }),
    outcome: coming,
    is: { facts: { serverId: '1' } },
  },
  // The agent of a new machine
  {
    name: 'an agent that answers makes the node ready',
    node: machine('booting', { ...soon, readyAt: null, facts: { serverId: '1' }, waitingFor: 'x' }),
    outcome: handshaken,
    is: {
      ...known,
      status: 'ready',
      readyAt: NOW,
      deadlineAt: null,
      waitingFor: null,
      wakeAt: beat,
      facts: { serverId: '1', agentVersion: '1.2.3' },
    },
  },
  {
    name: 'and it stays as old as it is',
    node: box('booting', { readyAt: 5 }),
    outcome: handshaken,
    is: { readyAt: 5 },
  },
  {
    name: 'an agent that does not answer yet is asked again, ever less often',
    node: machine('booting', { ...soon, createdAt: NOW - 10 * MIN }),
    outcome: failed('NODE_UNREACHABLE', 5 * SECOND),
    is: { status: 'booting', wakeAt: NOW + 30 * SECOND, waitingFor: 'it says no' },
  },
  {
    name: 'but not later than its deadline',
    node: machine('booting', { deadlineAt: NOW + SECOND }),
    outcome: failed('NODE_UNREACHABLE'),
    is: { wakeAt: NOW + SECOND },
  },
  {
    name: 'a machine whose agent was never ready is removed',
    node: machine('booting', late),
    outcome: failed('NODE_UNREACHABLE'),
    is: { status: 'destroying', wakeAt: NOW, facts: { error: 'its agent was never ready: it says no' } },
  },
  ...(
    [
      ['unless it is static', box('booting', late), 'NODE_UNREACHABLE', {}],
      ['unless nothing may go after a restore', machine('booting', late), 'NODE_UNREACHABLE', { keepsMachines: true }],
      ['unless the fault is ours', machine('booting', late), 'BUG', {}],
    ] as const
  ).map(
    ([name, node, code, change]): Case => ({
      name,
      node,
      outcome: failed(code),
      input: change,
      is: { status: 'booting', wakeAt: NOW + MIN },
    }),
  ),
  // Serving
  {
    name: 'a machine without work is warm until its time is over',
    node: machine('ready'),
    outcome: nothing,
    is: { status: 'warm', warmUntil: NOW + nodes.warmTimeout, wakeAt: beat, waitingFor: null },
  },
  {
    name: 'or until the hour that is paid is over',
    node: machine('ready', { facts: { billedFrom: NOW - 5 * MIN } }),
    outcome: nothing,
    is: { status: 'warm', warmUntil: NOW + 50 * MIN },
  },
  {
    name: 'a warm machine that has work is ready',
    node: machine('warm', { warmUntil: NOW - 1 }),
    outcome: nothing,
    input: { reservations: 1 },
    is: { status: 'ready', warmUntil: null, wakeAt: beat },
  },
  {
    name: 'a warm machine is looked at when its time is over',
    node: machine('warm', { warmUntil: NOW + 3 }),
    outcome: nothing,
    is: { status: 'warm', wakeAt: NOW + 3 },
  },
  {
    name: 'and then goes',
    node: machine('warm', { warmUntil: NOW }),
    outcome: pulled(),
    is: { status: 'destroying', wakeAt: NOW, cursor: 9, facts: { pulledAt: NOW - 5 } },
  },
  {
    name: 'one without such a time stays',
    node: machine('warm'),
    outcome: nothing,
    is: { status: 'warm', wakeAt: beat },
  },
  {
    name: 'a machine with work just serves',
    node: machine('ready'),
    outcome: nothing,
    input: { workspaces: 1 },
    is: { status: 'ready', wakeAt: beat, waitingFor: null },
  },
  ...(
    [
      ['a static node', box('ready'), {}],
      ['a machine that was found without an owner', machine('ready', { facts: { adopted: true } }), {}],
      ['a machine after a restore', machine('ready'), { keepsMachines: true }],
    ] as const
  ).map(
    ([name, node, change]): Case => ({
      name: `${name} is never warm`,
      node,
      outcome: nothing,
      input: change,
      is: { status: 'ready', wakeAt: beat, waitingFor: null },
    }),
  ),
  {
    name: 'what was read of the outbox is kept',
    node: box('ready', { facts: { serverId: '1', tries: 1 } }),
    outcome: pulled(),
    is: { status: 'ready', cursor: 9, facts: { serverId: '1', pulledAt: NOW - 5 }, wakeAt: beat },
  },
  {
    name: 'over a connection that is new to the agent, the handshake follows',
    node: box('ready'),
    outcome: pulled(true),
    is: { wakeAt: NOW },
  },
  {
    name: 'after a handshake the outbox is read soon',
    node: box('ready', { waitingFor: 'it to answer' }),
    outcome: handshaken,
    is: { ...known, status: 'ready', waitingFor: null, wakeAt: NOW + 250 },
  },
  {
    name: 'a machine that its provider does not have is lost',
    node: machine('ready'),
    outcome: gone,
    is: { status: 'lost', wakeAt: NOW, facts: { error: 'its machine is gone' } },
  },
  {
    name: 'a node that does not answer is waited for',
    node: box('ready', { readyAt: NOW - 10 * SECOND }),
    outcome: failed('NODE_UNREACHABLE'),
    is: { status: 'ready', wakeAt: beat, waitingFor: expect.stringContaining('10 s): it says no') },
  },
  {
    name: 'until the time of a lost node, to the millisecond',
    node: box('ready', { readyAt: 0 }),
    outcome: failed('AGENT_BUSY'),
    input: { heartbeat: heardAt(NOW - nodes.lostAfter + 7) },
    is: { status: 'ready', wakeAt: NOW + 7 },
  },
  {
    name: 'and lost then',
    node: box('ready', { readyAt: 0 }),
    outcome: failed('NODE_UNREACHABLE'),
    input: longSilent,
    is: { status: 'lost', wakeAt: NOW, facts: { error: 'it says no' } },
  },
  {
    name: 'but not before it could be heard after a start',
    node: box('ready', { readyAt: 0 }),
    outcome: failed('NODE_UNREACHABLE'),
    input: { ...longSilent, epochAt: NOW - 1 },
    is: { status: 'ready' },
  },
  {
    name: 'a fault of ours says nothing about the node',
    node: box('ready', { readyAt: 0, createdAt: NOW }),
    outcome: failed('DISK_FULL'),
    input: longSilent,
    is: { status: 'ready', wakeAt: poll, waitingFor: 'it says no' },
  },
  // Drained
  {
    name: 'a drained machine without work goes',
    node: machine('draining'),
    outcome: nothing,
    is: { status: 'destroying', wakeAt: NOW },
  },
  {
    name: 'a node that is not in the configuration any more takes no new work when it is back from an outage',
    node: box('ready', { facts: { isUnlisted: true } }),
    outcome: nothing,
    is: { status: 'draining', wakeAt: NOW, waitingFor: expect.stringContaining('not in the configuration any more') },
  },
  {
    name: 'a node that is not in the configuration any more says so, and how it is forgotten',
    node: box('draining', { name: 'box1', facts: { isUnlisted: true } }),
    outcome: nothing,
    is: { status: 'draining', waitingFor: expect.stringContaining('tdf node rm box1') },
  },
  {
    name: 'a drained static node stays drained',
    node: box('draining'),
    outcome: nothing,
    is: { status: 'draining', wakeAt: beat, waitingFor: null },
  },
  ...(
    [
      ['work', { workspaces: 2 }, {}],
      ['a reservation', { reservations: 1 }, {}],
      ['unsaved work', { unsaved: 1 }, {}],
      ['a restored database', { keepsMachines: true }, {}],
      ['work that nobody knows', {}, { facts: { adopted: true } }],
    ] as const
  ).map(
    ([name, change, node]): Case => ({
      name: `a drained machine stays because of ${name}`,
      node: machine('draining', node),
      outcome: pulled(),
      input: change,
      is: { status: 'draining', wakeAt: beat, cursor: 9, waitingFor: expect.stringContaining('to end') },
    }),
  ),
  { name: 'a drained node may be lost', node: machine('draining'), outcome: gone, is: { status: 'lost' } },
  // Held
  {
    name: 'a held node waits for its work to be saved',
    node: machine('held', { deadlineAt: NOW + HOUR }),
    outcome: nothing,
    input: { unsaved: 2 },
    is: { status: 'held', wakeAt: NOW + 30 * SECOND, waitingFor: 'the work of 2 tasks on it to be saved' },
  },
  {
    name: 'also without a deadline',
    node: machine('held'),
    outcome: nothing,
    input: { unsaved: 1 },
    is: { status: 'held', wakeAt: NOW + 30 * SECOND },
  },
  {
    name: 'and is looked at when its deadline comes',
    node: machine('held', { deadlineAt: NOW + 5 }),
    outcome: nothing,
    input: { unsaved: 1 },
    is: { status: 'held', wakeAt: NOW + 5 },
  },
  {
    name: 'what could not be saved in time is given up, and its agent cleans up',
    node: machine('held', late),
    outcome: nothing,
    input: { unsaved: 1, workspaces: 1, heartbeat: heardAt(NOW) },
    is: { status: 'draining', deadlineAt: null, waitingFor: '1 workspace to be removed' },
    writes: ['discard_work', 'wake_tasks', 'drop_reservations', 'place'],
  },
  {
    name: 'a machine that does not answer by then goes',
    node: machine('held', late),
    outcome: nothing,
    input: { unsaved: 1, ...longSilent },
    is: { status: 'destroying', deadlineAt: null },
    writes: ['discard_work', 'wake_tasks', 'drop_reservations', 'place'],
  },
  {
    name: 'unless a live task still has work there',
    node: machine('held', late),
    outcome: nothing,
    input: { unsavedAttempts: 1, ...longSilent },
    is: { status: 'draining', waitingFor: null },
  },
  {
    name: 'one that never spoke is as silent as it is old',
    node: machine('held', { ...late, createdAt: NOW - 1 }),
    outcome: nothing,
    is: { status: 'draining' },
  },
  {
    name: 'a machine whose work is saved is drained',
    node: machine('held', { deadlineAt: NOW + HOUR }),
    outcome: nothing,
    is: { status: 'draining', wakeAt: NOW, deadlineAt: null, waitingFor: null },
  },
  {
    name: 'a static node whose work is saved serves again',
    node: box('held', { deadlineAt: NOW + HOUR }),
    outcome: nothing,
    is: { status: 'ready', wakeAt: NOW, deadlineAt: null, waitingFor: null },
  },
  {
    name: 'a machine that was found without an owner waits for the sweep',
    node: machine('held', { ...late, facts: { adopted: true } }),
    outcome: nothing,
    is: { status: 'held', wakeAt: NOW + 30 * SECOND, waitingFor: expect.stringContaining('without an owner') },
    writes: [],
  },
  {
    name: 'a held node that came back without its state has nothing to save',
    node: machine('held', soon),
    outcome: handshaken,
    is: { ...known, status: 'held', wakeAt: NOW },
  },
  // Lost
  { name: 'a lost machine that is gone is over', node: machine('lost'), outcome: gone, is: { status: 'destroying' } },
  {
    name: 'and the work on it with it, on record',
    node: machine('lost'),
    outcome: gone,
    input: { unsaved: 1 },
    is: { status: 'destroying' },
    writes: ['discard_work', 'wake_tasks', 'drop_reservations', 'place'],
  },
  {
    name: 'a lost node that answers serves again',
    node: box('lost', late),
    outcome: handshaken,
    is: { ...known, status: 'ready', deadlineAt: null, waitingFor: null, wakeAt: beat },
  },
  {
    name: 'or is held where work waits to be saved',
    node: box('lost', late),
    outcome: handshaken,
    input: { unsaved: 1 },
    is: { status: 'held', deadlineAt: NOW + nodes.heldMax },
  },
  {
    name: 'a lost static node is waited for',
    node: box('lost', { createdAt: NOW }),
    outcome: failed('NODE_UNREACHABLE'),
    is: { status: 'lost', wakeAt: poll, deadlineAt: null },
  },
  {
    name: 'a lost machine has time until every task has given it up',
    node: machine('lost'),
    outcome: failed('NODE_UNREACHABLE', MIN),
    is: { status: 'lost', deadlineAt: NOW + runner.salvageTimeout + MIN, wakeAt: NOW + MIN },
  },
  {
    name: 'and is then removed',
    node: machine('lost', late),
    outcome: failed('NODE_UNREACHABLE'),
    is: { status: 'destroying' },
  },
  ...(
    [
      ['nothing may go after a restore', { keepsMachines: true }],
      ['work waits to be saved', { unsaved: 1 }],
      ['a live task has work there', { unsavedAttempts: 1 }],
    ] as const
  ).map(
    ([name, change]): Case => ({
      name: `unless ${name}`,
      node: machine('lost', late),
      outcome: failed('NODE_UNREACHABLE'),
      input: change,
      is: { status: 'lost', wakeAt: poll, ...late },
    }),
  ),
  {
    name: 'one that was found without an owner is held',
    node: machine('lost', { facts: { adopted: true } }),
    outcome: failed('NODE_UNREACHABLE'),
    is: { status: 'held', wakeAt: poll, deadlineAt: NOW + nodes.heldMax },
  },
  {
    name: 'a provider that does not answer says nothing about a lost machine',
    node: machine('lost', late),
    outcome: failed('PROVIDER_UNAVAILABLE'),
    is: { status: 'lost', facts: { tries: 1 } },
  },
  { name: 'nor does a fault of ours', node: machine('lost', late), outcome: failed('BUG'), is: { status: 'lost' } },
  // On its way out
  {
    name: 'unsaved work holds a machine that is to be destroyed',
    node: machine('destroying'),
    outcome: nothing,
    input: { unsaved: 1 },
    is: { status: 'held', wakeAt: NOW, deadlineAt: NOW + nodes.heldMax, waitingFor: 'the work on it to be saved' },
  },
  {
    name: 'which goes on when it was saved meanwhile',
    node: machine('destroying'),
    outcome: nothing,
    is: { status: 'destroying', wakeAt: NOW },
  },
  {
    name: 'a machine is destroyed when its provider says so',
    node: machine('destroying', { warmUntil: 1, waitingFor: 'x' }),
    outcome: { kind: 'removed', isGone: true },
    is: { status: 'destroyed', wakeAt: null, warmUntil: null, waitingFor: null },
  },
  {
    name: 'and not before',
    node: machine('destroying'),
    outcome: { kind: 'removed', isGone: false },
    is: { status: 'destroying', wakeAt: poll },
  },
  {
    name: 'what is over stays so',
    node: machine('destroyed'),
    outcome: nothing,
    is: { status: 'destroyed', wakeAt: null },
  },
  // Answers that are not taken
  {
    name: 'an answer that cannot be read makes it suspect, and what runs there goes on',
    node: box('ready'),
    outcome: failed('AGENT_PROTOCOL'),
    is: { status: 'ready', wakeAt: beat, facts: { suspect: 'it says no' } },
  },
  {
    name: 'an answer that cannot be read keeps it draining while work is on it',
    node: machine('draining'),
    outcome: failed('AGENT_PROTOCOL'),
    input: { workspaces: 1 },
    is: { status: 'draining', facts: { suspect: 'it says no' } },
  },
  {
    name: 'an answer that cannot be read puts its end off no further',
    node: machine('warm', { warmUntil: NOW }),
    outcome: failed('AGENT_PROTOCOL'),
    is: { status: 'destroying' },
  },
  {
    name: 'a sound answer ends the suspicion, and tasks may be placed again',
    node: box('ready', { facts: { suspect: 'it said no' } }),
    outcome: pulled(),
    is: { status: 'ready', facts: { pulledAt: NOW - 5 } },
    writes: ['place'],
  },
  {
    name: 'one that was never ready counts as heard of by its heartbeat',
    node: box('ready', { readyAt: null }),
    outcome: failed('NODE_UNREACHABLE'),
    input: { heartbeat: heardAt(NOW) },
    is: { status: 'ready', wakeAt: beat },
  },
  { name: 'also when it never was', node: machine('failed'), outcome: nothing, is: { status: 'failed', wakeAt: null } },
]

describe('a node', () => {
  it.each(cases)('$node.status: $name', ({ node, outcome, input: change, is, writes }) => {
    const decided = decideNode(node, outcome, input(change))
    expect(decided.node).toMatchObject(is)
    if (is.facts) expect(decided.node.facts).toEqual(is.facts)
    if (writes) expect(decided.writes.map(({ kind }) => kind)).toEqual(writes)
    const { status, waitingFor } = decided.node
    const data = { from: node.status, to: status, reason: waitingFor }
    expect(decided.events).toEqual(status === node.status ? [] : [{ type: 'node.status', nodeName: 'n1', data }])
  })

  it.each(NODE_STATUSES)(
    'that is %s and was interrupted is looked at again at once, and nothing else changes',
    status => {
      const node = machine(status, { facts: { tries: 2 }, waitingFor: 'x' })
      expect(decideNode(node, interrupted, input())).toEqual({
        node: { ...node, wakeAt: NOW, updatedAt: NOW },
        events: [],
        writes: [],
      })
    },
  )

  it('gives its reservations back when it takes no work any more, and only then', () => {
    const writes = (node: Node, outcome: NodeOutcome) =>
      decideNode(node, outcome, input()).writes.map(({ kind }) => kind)
    expect(writes(machine('booting'), handshaken)).toEqual(['wake_tasks', 'place'])
    expect(writes(machine('ready'), gone)).toEqual(['wake_tasks', 'drop_reservations', 'place'])
  })

  it('says who gave up the work on it, and why', () => {
    const { writes } = decideNode(machine('held', late), nothing, input({ unsaved: 1 }))
    expect(writes[0]).toEqual({ kind: 'discard_work', reason: 'it could not be saved within held_max (72 h)' })
    expect(decideNode(machine('lost'), gone, input({ unsaved: 1 })).writes[0]).toMatchObject({
      reason: 'its machine is gone',
    })
  })

  it('refuses an outcome that its status does not have', () => {
    for (const [status, outcome] of [
      ['ordered', up],
      ['ready', up],
      ['destroyed', gone],
      ['creating', handshaken],
      ['destroying', pulled()],
    ] as const) {
      expect(() => decideNode(machine(status), outcome, input()), status).toThrow(/is no outcome/)
    }
  })

  it('refuses a status that its edges do not lead to', () => {
    expect(() => nodeTransition(machine('destroyed'), { status: 'ready' }, NOW)).toThrow(/no edge/)
  })

  it.each(['ready', 'draining'] as const)(
    'that is %s and sends what cannot be read gets no work until it is sound again',
    status => {
      const suspected = decideNode(box(status), failed('AGENT_PROTOCOL'), input())
      expect(suspected.node).toMatchObject({ status, wakeAt: beat, facts: { suspect: 'it says no' } })
      expect(suspected.writes).toEqual([])
      expect(decideNode(suspected.node, failed('AGENT_PROTOCOL'), input()).writes).toEqual([])
      expect(decideNode(box(status), pulled(), input()).writes).toEqual([])
      const sound = decideNode(suspected.node, pulled(), input())
      expect([sound.node.facts, sound.writes]).toEqual([{ pulledAt: NOW - 5 }, [{ kind: 'place' }]])
    },
  )

  it('goes even so when its time is over', () => {
    for (const node of [machine('warm', { warmUntil: NOW }), machine('draining')]) {
      expect(decideNode(node, failed('AGENT_PROTOCOL'), input()).node).toMatchObject({ status: 'destroying' })
    }
  })
})

describe('the outbox of a node is read', () => {
  const quiet = nodes.heartbeatInterval * 1.5
  const read = { facts: { pulledAt: NOW - 1 } }
  it.each<[string, boolean, Partial<Node>, Partial<NodeInput>]>([
    ['while heartbeats come: no', false, read, { heartbeat: heardAt(NOW - quiet) }],
    ['once they stay away', true, { ...read, readyAt: null }, { heartbeat: heardAt(NOW - quiet - 1) }],
    ['when it never sent one', true, { ...read, readyAt: null }, {}],
    ['soon after it became ready: no', false, read, {}],
    ['after a start of the daemon', true, read, { epochAt: NOW }],
    ['when it was never read', true, {}, { epochAt: 1 }],
    [
      'with work on it, at the reconcile interval',
      true,
      { facts: { pulledAt: NOW - runner.reconcileInterval } },
      { workspaces: 1 },
    ],
    ['without work, not then: no', false, { facts: { pulledAt: NOW - runner.reconcileInterval } }, {}],
    [
      'with work on it, before that: no',
      false,
      { facts: { pulledAt: NOW - runner.reconcileInterval + 1 } },
      { workspaces: 1 },
    ],
    ['when it is read in this moment: no', false, { facts: { pulledAt: NOW } }, {}],
    ['when the clock was set back', true, { facts: { pulledAt: NOW + 1 } }, {}],
    ['when its answers could not be read', true, { facts: { pulledAt: NOW, suspect: 'x' } }, {}],
  ])('%s', (_name, is, node, change) => {
    expect(isDueForPull(box('ready', node), input(change))).toBe(is)
  })

  it('and it goes once it is drained, if it was ordered', () => {
    expect([machine('draining'), box('draining')].map(node => isDrained(node, input()))).toEqual([true, false])
  })
})
