/**
 * What the scripted model says. The newest user text with a `[[name]]` in it chooses the scenario, and how many tool
 * results came after it says how far it is; so the model keeps nothing, and a resumed conversation goes on by itself.
 */
export type Turn =
  | { kind: 'user'; text: string }
  | { kind: 'assistant'; text: string }
  | { kind: 'call' }
  | { kind: 'result'; text: string }

export type Reply =
  | { kind: 'text'; text: string }
  /** `isAside`: in the background, where the agent has such a thing. */
  | { kind: 'run'; command: string; isAside?: boolean }
  /** A tool of an MCP server, by its own name. */
  | { kind: 'call'; tool: string; input: Record<string, unknown> }
  | { kind: 'status'; status: number; type: string; message: string; headers?: Record<string, string> }
  /** Takes the request and never answers. */
  | { kind: 'hang' }

/** When the usage limit of scenario `limit` is lifted: in an hour, in whole seconds. */
export const RESET_AT = new Date(Math.ceil(Date.now() / 1000) * 1000 + 3_600_000)

interface Scene {
  /** Commands that were run since the scenario was asked for. */
  done: number
  turns: readonly Turn[]
}

const SCENARIOS: Record<string, (scene: Scene) => Reply> = {
  commit: ({ done }) =>
    done === 0
      ? run('echo hi > out.txt && git add -A && git -c user.name=m -c user.email=m@example.org commit -qm made')
      : text('Done: wrote out.txt'),
  edit: ({ done }) => (done === 0 ? run('echo hi > left.txt') : text('Done: left it uncommitted')),
  /** Its turn ends while the command goes on. */
  background: ({ done }) =>
    done === 0 ? { ...run('sleep 8; echo hi > late.txt'), isAside: true } : text('I wait for it'),
  nothing: () => text('There is nothing to do.'),
  broken: () => ({ kind: 'status', status: 500, type: 'api_error', message: 'boom' }),
  unauthorized: () => ({ kind: 'status', status: 401, type: 'authentication_error', message: 'invalid x-api-key' }),
  limit: () => ({
    kind: 'status',
    status: 429,
    type: 'rate_limit_error',
    message: 'limited',
    headers: {
      'anthropic-ratelimit-unified-status': 'rejected',
      'anthropic-ratelimit-unified-reset': String(RESET_AT.getTime() / 1000),
      'anthropic-ratelimit-unified-representative-claim': 'five_hour',
      'x-codex-primary-used-percent': '100',
      'x-codex-primary-window-minutes': '300',
      'x-codex-primary-reset-at': String(RESET_AT.getTime() / 1000),
    },
  }),
  hang: () => ({ kind: 'hang' }),
  /** A file a step, never done by itself: for kills, cancels and prompts that join the turn. */
  steps: ({ done }) => (done < 120 ? step(done) : text('That went on for too long.')),
  /** The same with an end, for prompts that wait for one. */
  fewsteps: ({ done }) => (done < 12 ? step(done) : text('Done: the steps')),
  /** Hands two tasks over, waits for them, reads what they changed, and lands the first; the prompt says where. */
  delegate: ({ turns }) => delegated(turns),
  /** The same from inside the task, by the way that its node has for it. */
  handover: ({ turns }) => handedOver(turns),
  /** What a further prompt or a resumed conversation asks for. */
  finish: ({ done }) => (done === 0 ? run('echo finished > finished.txt') : text('Done: finished what was begun')),
}

export function replyTo(turns: readonly Turn[]): Reply {
  for (let at = turns.length - 1; at >= 0; at--) {
    const turn = turns[at]
    // What was asked at first is told to one who goes on, and is not what is asked now.
    const asked = turn?.kind === 'user' ? (turn.text.split('What was asked at first:')[0] ?? '') : ''
    const name = [...asked.matchAll(/\[\[(\w+)\]\]/g)].at(-1)?.[1]
    const scenario = name === undefined ? undefined : SCENARIOS[name]
    if (!scenario) continue
    const done = turns.slice(at).filter(({ kind }) => kind === 'result').length
    return scenario({ done, turns })
  }
  return text('I was not told what to do.')
}

const text = (words: string): Reply => ({ kind: 'text', text: words })
const step = (done: number) => run(`echo ${done} > step-${done}.txt; sleep 1`)
const run = (command: string): Extract<Reply, { kind: 'run' }> => ({ kind: 'run', command })

function delegated(turns: readonly Turn[]): Reply {
  const at = turns.findLastIndex(turn => turn.kind === 'user' && turn.text.includes('[[delegate]]'))
  const asked = turns[at]?.kind === 'user' ? turns[at].text : ''
  const results = turns.slice(at).flatMap(turn => (turn.kind === 'result' ? plain(turn.text) : []))
  const [repo, tdf, host] = ['repo', 'tdf', '--host'].map(name => new RegExp(`${name}=(\\S+)`).exec(asked)?.[1] ?? '')
  const submit = (file: string): Reply => {
    const input = { prompt: `write ${file}`, agent: 'worker', check: `test -f ${file}`, repo, idempotency_key: file }
    return { kind: 'call', tool: 'submit_task', input }
  }
  const of = (mark: string) => results.filter(result => result.includes(mark))
  const [submits, waits, diffs] = [of('"idempotencyKey":'), of('"allEnded":'), of('"nextOffset":')]
  if (results.length > DELEGATED_RESULTS_MAX) return text('I give up.')
  if (submits.length < 2) return submit(submits.length === 0 ? 'a.txt' : 'b.txt')
  const ids = submits.map(result => /"id":"(\w+)"/.exec(result)?.[1] ?? '')
  const cursor = /"cursor":"([^"]*)"/.exec(waits.at(-1) ?? '')?.[1] ?? ''
  if (!waits.at(-1)?.includes('"allEnded":true'))
    return { kind: 'call', tool: 'wait_tasks', input: { tasks: ids, cursor } }
  if (diffs.length < ids.length) return { kind: 'call', tool: 'get_diff', input: { task: ids[diffs.length] } }
  if (results.at(-1) === diffs.at(-1)) return run(`cd ${repo} && ${tdf} --host ${host} land ${ids[0]}`)
  return text(`Done: ${ids.join(' and ')}`)
}

function handedOver(turns: readonly Turn[]): Reply {
  const at = turns.findLastIndex(turn => turn.kind === 'user' && turn.text.includes('[[handover]]'))
  const results = turns.slice(at).flatMap(turn => (turn.kind === 'result' ? plain(turn.text) : []))
  const find = (form: RegExp) => results.map(result => form.exec(result)?.[1]).find(found => found !== undefined)
  const id = find(/"id":"(\w+)".*"next":"wait_tasks/)
  if (results.length > DELEGATED_RESULTS_MAX) return text('I give up.')
  if (id === undefined) return { kind: 'call', tool: 'submit_task', input: { prompt: '[[edit]] please' } }
  if (!find(/"allEnded":(true)/)) return { kind: 'call', tool: 'wait_tasks', input: { tasks: [id] } }
  const diff = find(/(\+\+\+ b\/left\.txt)/)
  return diff ? text(`Done: ${id} made ${diff}`) : { kind: 'call', tool: 'get_diff', input: { task: id } }
}

/** An agent that is refused, again and again, is not asked for ever. */
const DELEGATED_RESULTS_MAX = 60

/** Some agents hand on the answer of a tool as JSON within JSON. */
const plain = (result: string) => result.replaceAll('\\"', '"')
