/** `submit_task`: what `tdf submit` does, for an agent. */
import { z } from 'zod'
import { TdfError } from '../../../src/core/errors.ts'
import { PROVIDERS } from '../../../src/core/node.ts'
import { AFTER_CONDITIONS, ON_FAILED, PULL_GOALS } from '../../../src/core/source.ts'
import { realWorld } from '../../../src/platform/world.ts'
import type { TaskJson } from '../../../src/protocol/control.ts'
import { artifactGlobs, id, text } from '../../../src/protocol/shapes.ts'
import type { SubmitBody } from '../../../src/protocol/submit.ts'
import { type Cli, durationOf, usage } from '../../cli/cli.ts'
import { takenBefore } from '../submit/continue.ts'
import { postInGroup } from '../submit/many/together.ts'
import { type Taken, takeRepository } from '../submit/repository.ts'
import { post, refuseBase, type SubmitOptions, submitBody } from '../submit/request.ts'
import { allowSetup, withRepositoryFile } from '../submit/setup.ts'
import { json } from './answers.ts'
import { type Call, type Door, patiently, silenced, taskPath } from './door.ts'
import { rowOf } from './look.ts'
import { refuseGroup, refuseRepository, withinLimits } from './scope.ts'
import { idempotencyKey, reference, type Tool, tool } from './tool.ts'

const name = text(128).min(1)
const command = text(64 * 1024).min(1)
const others = z.array(reference).min(1).max(50)
const HINT = 'tdf submit --help'
/** How long a repository may take on its way to the daemon, behind the call that began it. */
const SUBMIT_MS = 30 * 60_000

const input = z.strictObject({
  prompt: text(512 * 1024)
    .min(1)
    .describe('what to do, complete: the agent of the task knows nothing else'),
  repo: text(4096)
    .min(1)
    .optional()
    .describe('folder or URL of the repository; default: that of the folder where this server runs'),
  ref: text(1024).min(1).optional().describe('branch, tag or commit to start from; default: HEAD'),
  dirty: z.boolean().optional().describe('take uncommitted changes of the folder along'),
  agent: name.optional(),
  model: name.optional(),
  setup: command.optional().describe('shell command that runs in the workspace before the agent'),
  no_setup: z.boolean().optional().describe('run no setup, whatever .tdf.toml says'),
  check: command.optional().describe('shell command that decides whether the work is verified'),
  no_check: z.boolean().optional(),
  artifacts: artifactGlobs.optional().describe('globs of files that are kept beside the result'),
  node: name.optional(),
  provider: z.enum(PROVIDERS).optional(),
  size: name.optional(),
  location: name.optional(),
  title: text(512).optional(),
  labels: z.record(text(128).min(1), text(512)).optional(),
  priority: z.int().min(-1000).max(1000).optional(),
  timeout: text(20).min(1).optional().describe('such as 45m'),
  max_cost: z.number().positive().max(1_000_000).optional().describe('USD; the task ends once it has cost more'),
  permissions: z.enum(['allow', 'deny', 'ask']).optional().describe('how questions of the agent are answered'),
  auto_resume: z.boolean().optional(),
  output_branch: text(255).min(1).optional(),
  push: z.enum(['never', 'branch', 'pr']).optional().describe('what follows when it is completed'),
  until: z.enum(PULL_GOALS).optional().describe('with a pull request: the agent mends it until it is so'),
  rounds: z.int().min(1).max(100).optional(),
  remote: text(4096).min(1).optional(),
  interactive: z.boolean().optional().describe('keep the session for follow-ups by send'),
  after: others.optional().describe('ids of tasks that have to be completed before it begins'),
  from: others.optional().describe('the same, and it begins from their work, in their repository; several are merged'),
  if: z.enum(AFTER_CONDITIONS).optional().describe('ended: whatever the others come to'),
  on_failed: z.enum(ON_FAILED).optional().describe('where one of them fails: hold (default), or cancel it too'),
  group: id.optional().describe('a name for tasks that belong together: a new one, or that of tasks of this server'),
  at_most: z.int().min(1).max(1_000).optional().describe('so many tasks of the group run at once'),
  fallback: z
    .array(name)
    .max(8)
    .optional()
    .describe('agents that go on when the one before is at its usage limit; []: none'),
  idempotency_key: idempotencyKey,
})
type Asked = z.output<typeof input>

export const submitTask: Tool = tool({
  name: 'submit_task',
  kind: 'changes',
  description:
    'Hands a task to tdf, which runs a coding agent on it in a workspace of its own, on a commit of the repository; your own files stay as they are. It goes on whether you wait or not: call wait_tasks with its id, then get_diff.',
  input,
  async run(door, asked, call) {
    const key = asked.idempotency_key ?? call.key
    const answer = pendingOf(door, key, asked)
    const late = {
      pending: true,
      idempotencyKey: key,
      next: 'the repository is still on its way: call submit_task again with the same arguments and this idempotency_key',
    }
    return json(await before(call, answer, late))
  },
})

/** The submit with this key that goes on, or a new one. Throws IDEMPOTENCY_CONFLICT where it is about something else. */
function pendingOf(door: Door, key: string, { idempotency_key: _, ...asked }: Asked): Promise<object> {
  const text = JSON.stringify(asked)
  const known = door.pending.get(key)
  if (known !== undefined) {
    if (known.asked === text) return known.answer
    throw new TdfError('IDEMPOTENCY_CONFLICT', `the key "${key}" was used for another task`)
  }
  const answer = submitted(door, asked, key).finally(() => door.pending.delete(key))
  answer.catch(() => {})
  door.pending.set(key, { asked: text, answer })
  return answer
}

async function before(call: Call, answer: Promise<object>, late: object): Promise<object> {
  const { clock } = realWorld()
  const ended = new Promise<object>(resolve => {
    const cancel = clock.timer(Math.max(call.until - clock.mono(), 0), () => resolve(late))
    answer.then(cancel, cancel)
  })
  return Promise.race([answer, ended])
}

async function submitted(door: Door, asked: Asked, key: string): Promise<object> {
  const options = optionsOf(door, asked)
  const repository = options.repo
  if (repository !== undefined) refuseRepository(door, repository)
  const timeoutMs = asked.timeout === undefined ? null : durationOf(asked.timeout, 'timeout')
  const notes: string[] = []
  const title = asked.prompt.trim().split('\n')[0]?.slice(0, 60) ?? ''
  const cli = silenced(door.cli, notes, ['submit', title, '--repo', repository ?? door.cli.cwd])
  const call = { until: realWorld().clock.mono() + SUBMIT_MS, signal: new AbortController().signal }

  const task = await patiently(door, call, async () => {
    notes.length = 0
    const { repo, author, remote, setup } = await taken(door, cli, options)
    await allowSetup(cli, door.command, setup, options)
    const whole = await withRepositoryFile(cli, setup, options)
    const body = submitBody({ prompt: asked.prompt, command: null, repo, author, remote, timeoutMs, options: whole })
    if (door.options.maxTasks !== undefined || door.options.maxCost !== undefined) {
      const known = await post<{ id: string | null }>(cli, body, key, true)
      // The same request again is no task more.
      if (known.id !== null) return known as TaskJson
    }
    return withinLimits(door, call, asked.max_cost, () => posted(door, cli, body, key, options))
  })
  return {
    ...rowOf(task),
    outputBranch: task.outputBranch,
    notes,
    idempotencyKey: key,
    next: `wait_tasks with ["${task.id}"]`,
  }
}

/** Whose work it begins from says which repository it is. Throws FORBIDDEN for one that this server may not use. */
async function taken(door: Door, cli: Cli, options: SubmitOptions): Promise<Taken> {
  const [first] = options.from ?? []
  if (first === undefined) {
    const found = await takeRepository(cli, options, 'json')
    // A folder inside of one that is allowed may belong to a repository around it.
    refuseRepository(door, found.repo.url)
    return found
  }
  refuseBase(options)
  for (const one of options.from ?? [])
    refuseRepository(door, (await cli.client().call<TaskJson>({ path: taskPath(one) })).repo.url)
  return takenBefore(cli, first)
}

async function posted(door: Door, cli: Cli, body: SubmitBody, key: string, options: SubmitOptions): Promise<TaskJson> {
  if (options.group === undefined) return post<TaskJson>(cli, body, key, false)
  await refuseGroup(door, options.group)
  return postInGroup(cli, body, key, options)
}

/** Throws FORBIDDEN and USAGE for what this server may not ask for. */
function optionsOf(door: Door, asked: Asked): SubmitOptions {
  const { labels = {} } = asked
  const taken = Object.keys(labels).find(key => Object.hasOwn(door.labels, key))
  if (taken !== undefined) throw usage(`the label "${taken}" is set by this server`, HINT)
  if (asked.permissions === 'allow' && door.options.mayAnswer !== true) {
    const message =
      'this server may not allow what agents ask for; leave permissions to the configuration, or ask for "deny" or "ask"'
    throw new TdfError('FORBIDDEN', message, { hint: 'tdf mcp --help' })
  }
  const { repo, ref, dirty, agent, model, artifacts, node, provider, size, location, title } = asked
  const { permissions, until, rounds, remote, interactive, push, after, from, group, fallback } = asked
  if (asked.at_most !== undefined && group === undefined) throw usage('at_most is of a group: name it', HINT)
  const options = given({
    repo,
    ref,
    dirty,
    agent,
    model,
    artifacts,
    node,
    provider,
    size,
    location,
    title,
    permissions,
    until,
    rounds,
    remote,
    interactive,
    after,
    from,
    group,
    fallback,
    if: asked.if,
    onFailed: asked.on_failed,
    atMost: asked.at_most,
    maxCost: asked.max_cost,
    autoResume: asked.auto_resume,
    outputBranch: asked.output_branch,
    setup: asked.no_setup ? false : asked.setup,
    check: asked.no_check ? false : asked.check,
    push: push === undefined ? undefined : push !== 'never',
    pr: push === 'pr' ? true : undefined,
  })
  return { ...options, label: { ...labels, ...door.labels }, priority: asked.priority ?? 0 }
}

type Given<T> = { [Key in keyof T]?: Exclude<T[Key], undefined> }

/** Without what is undefined. */
function given<T extends object>(values: T): Given<T> {
  // Each value that is left is one of those that it had.
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Given<T>
}
