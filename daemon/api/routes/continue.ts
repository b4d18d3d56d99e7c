/** `tdf continue`: more to do, on a task that is over. */
import { createHash } from 'node:crypto'
import { Hono } from 'hono'
import type { AgentSpec } from '../../../src/core/agent.ts'
import { TdfError } from '../../../src/core/errors.ts'
import type { PushSpec } from '../../../src/core/source.ts'
import type { Task, TaskSpec } from '../../../src/core/task.ts'
import { idPattern, parseBody } from '../../../src/protocol/shapes.ts'
import { type ContinueWish, continueRequest } from '../../../src/protocol/submit.ts'
import type { RunningEngine } from '../../build.ts'
import type { ContinueRequest } from '../../engine/rules/continuing.ts'
import { pushOf } from '../../results/push/request.ts'
import type { Engine } from '../../services.ts'
import { jsonBody } from '../guard.ts'
import { agentNamed, checkBudget, fallbackOf } from '../tasks/agents.ts'
import { findTask } from '../tasks/find.ts'
import { taskJson } from '../tasks/json.ts'

/** What an agent is told when nothing new is asked; a plain command is given the prompt of the task again. */
const GO_ON = 'Go on with this task until it is done.'

export function continueRoutes(engine: RunningEngine): Hono {
  const { sql } = engine.store
  const app = new Hono()
  app.post('/tasks/:task/continue', async c => {
    const task = findTask(sql, c.req.param('task'))
    const wish = parseBody(continueRequest, await jsonBody(c))
    const key = c.req.header('idempotency-key') ?? ''
    // Where the task waits for its user, it is the name of a delivery.
    if (!idPattern.test(key)) {
      const message = 'the header idempotency-key is wanted: letters, digits, ".", "_" or "-"'
      throw new TdfError('BAD_REQUEST', message, { field: 'idempotencyKey' })
    }
    const hash = createHash('sha256').update(JSON.stringify(wish)).digest('hex')
    await engine.goOn(task.id, { key, hash, hasWords: wish.text !== null, change: changeOf(engine, task, wish) })
    return c.json(taskJson(sql, findTask(sql, task.id)))
  })
  return app
}

/** Only what is asked for, checked as at submit. */
function changeOf(
  engine: Pick<Engine, 'config' | 'secrets'>,
  task: Task,
  wish: ContinueWish,
): ContinueRequest['change'] {
  const { spec } = task
  if (wish.text?.trim() === '') {
    throw new TdfError('EMPTY_PROMPT', 'the text is empty: there is nothing to do', { hint: 'tdf continue --help' })
  }
  const agent = wish.agent === null ? spec.agent : agentNamed(engine, wish.agent, null)
  if (wish.maxCostUsd !== null) checkBudget(engine, agent)
  const isPlain = agent.type === 'command' && agent.command.length > 0
  return {
    prompt: wish.text ?? (isPlain ? (spec.firstPrompt ?? spec.prompt) : GO_ON),
    ...(wish.agent === null ? {} : { agent }),
    ...fallbackFor(engine, task, agent, wish),
    ...(wish.check === null ? {} : { check: wish.check }),
    ...(wish.timeoutMs === null ? {} : { timeoutMs: wish.timeoutMs }),
    ...(wish.maxCostUsd === null ? {} : { maxCostUsd: wish.maxCostUsd }),
    ...(wish.push === null ? {} : { push: pushFor(engine, spec, wish) }),
  }
}

/** Another agent has others behind it, and a new limit of cost may leave some out. */
function fallbackFor(
  engine: Pick<Engine, 'config' | 'secrets'>,
  { spec }: Task,
  agent: AgentSpec,
  { agent: name, maxCostUsd }: ContinueWish,
): Pick<TaskSpec, 'fallback'> {
  if (name === null && (maxCostUsd === null || !spec.fallback)) return {}
  const names = name === null ? (spec.fallback?.agents.map(one => one.name) ?? []) : null
  const isLimited = (maxCostUsd ?? spec.maxCostUsd ?? null) !== null
  return { fallback: fallbackOf(engine, agent, { names, isLimited }) }
}

function pushFor(engine: Pick<Engine, 'config'>, { push, repo }: TaskSpec, wish: ContinueWish): PushSpec | null {
  const own = push?.remote ?? (repo.kind === 'git' ? repo.url : null)
  return pushOf(engine, { push: wish.push, remote: own ?? wish.fallback, repo: { kind: 'git', url: '', ref: null } })
}
