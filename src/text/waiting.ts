/**
 * The wording of every wait, one function each: what a task or a node waits for, why a node does not take a task, and
 * the sentences of `tdf why`. Pure; the caller passes the facts.
 */
import { formatDuration, formatDurationShort } from '../core/duration.ts'
import type { WhyJson } from '../protocol/control.ts'
import { oneLine } from './sanitize.ts'
import { counted } from './tasks.ts'

/** What a task waits for: completes `It is … and waits for …`. */
export const taskWaits = {
  slot: () => 'a slot on a node',
  predecessors: (ids: readonly string[]) => listed(ids),
  turn: () => 'its turn in its group',
  base: () => 'the work that it begins from to be merged',
  source: (url: string) => `${url} to be fetched`,
  /** `since` in Unix ms. */
  sourceAgain: (url: string, tries: number, since: number) =>
    `${url} to be fetched (try ${tries} since ${new Date(since).toISOString()})`,
  outage: (tries: number, since: number, error: string) =>
    `another try; ${tries === 1 ? 'one' : tries} failed since ${new Date(since).toISOString()}, the last one so: ${error}`,
  slotOn: (node: string | null) => `a slot on ${node} to go on`,
  allowance: (limitUsd: number, id: string) =>
    `you: the $${limitUsd.toFixed(2)} that it may cost are used, and \`tdf send ${id} allow\` adds a quarter, or \`tdf continue ${id} --max-cost USD\` says how much`,
  pace: () => 'its next session: a task starts at most three in a minute by itself',
  usageLimit: (agent: string) => `the usage limit of ${agent} to be lifted`,
  nodeCreated: (node: string) => `node ${node} to be created`,
  nodeAgent: (node: string) => `the agent of ${node}`,
  packing: () => 'its saved work to be packed',
  workspaceReady: (workspaceId: string | null, node: string | null) =>
    `workspace ${workspaceId} on ${node} to report that it is ready`,
  agentExit: () => 'the agent to finish',
  /** `since` is ISO 8601. */
  agentRetrying: (attempt: number, since: string, reason: string) =>
    `the agent, which cannot reach its model (try ${attempt}, since ${since}): ${reason}`,
  followup: () => 'your follow-up',
  permission: (question: string) => `your answer: ${question}`,
  agentToStop: () => 'the agent to end',
  check: () => 'the check to start',
  checkExit: () => 'the check to end',
  pickExit: () => 'its pick to end, which says what it is worth in its race',
  anotherSave: (error: string) => `another try to save the work; the last one failed: ${error}`,
  cleanup: (kind: string, node: string, error: string | null) =>
    `${kind.replace('_', ' ')} on ${node}: ${error ?? 'not confirmed'}`,
  retry: (attempt: number, attemptsMax: number, error: string) =>
    `try ${attempt} of ${attemptsMax}; the last one failed: ${error}`,
  anotherTry: (error: string) => `another try; the last one failed: ${error}`,
  internalError: (error: string) => `another try after an internal error: ${error}`,
  unknownStep: (step: string | null) => `a version of tdf that knows the step "${step}"; this one does not`,
  nextLook: () => 'the next look',
  nextStep: () => 'its next step',
}

/** Whether what a task waits for is an answer to its agent, which asks for a permission. */
export const asksPermission = ({ waitingFor }: { waitingFor: string | null }) =>
  waitingFor?.startsWith(taskWaits.permission('')) === true

/** What a node waits for: completes `NODE is STATUS and waits for …`. */
export const nodeWaits = {
  agent: (node: string) => taskWaits.nodeAgent(node),
  provider: (provider: string) => `provider ${provider} to be enabled`,
  removal: () => 'the provider to remove it',
  absence: () => 'the provider to confirm that it does not exist: no task needs it any more',
  disappearance: () => 'the provider to confirm that its machine is gone',
  work: () => 'the work on it to be saved',
  workOf: (tasks: number) => `the work of ${counted(tasks, 'task')} on it to be saved`,
  adoptedWork: () => 'what is on it to be saved: it was found without an owner',
  workspacesRemoved: (workspaces: number) => `${counted(workspaces, 'workspace')} to be removed`,
  workspacesEnded: (workspaces: number) => `${counted(workspaces, 'workspace')} to end`,
  maxLifetime: () => 'its work to end: it has reached max_lifetime',
  answer: (silentMs: number, error: string) =>
    `it to answer (no heartbeat for ${Math.round(silentMs / 1_000)} s): ${error}`,
  listing: (node: string) => `its work to end: it is not in the configuration any more; tdf node rm ${node} forgets it`,
  return: (error: string) => `it to answer again: ${error}`,
  soundAnswer: (error: string) => `an answer of its agent that can be read: ${error}`,
}

/** Why a node does not take a task: completes `NODE: …`. */
export const rejections = {
  suspect: (error: string) => `its answers are not taken: ${error}`,
  otherNode: (node: string) => `the task asked for node ${node}`,
  otherProvider: (provider: string) => `the task asked for provider ${provider}`,
  location: (location: string, wanted: string) => `it is in ${location}, the task asked for ${wanted}`,
  size: (size: string | null, wanted: string) => `its size is ${size ?? 'not known'}, the task asked for ${wanted}`,
  status: (status: string) => `it is ${status}`,
  silence: (silentMs: number) => `its last heartbeat was ${Math.round(silentMs / 1_000)} s ago`,
  processor: (percent: number | null, limit: number) =>
    `its processors are ${percent} % busy, the limit is ${limit} % (cpu_threshold_percent)`,
  memory: (percent: number | null, limit: number) =>
    `its memory is ${percent} % full, the limit is ${limit} % (memory_threshold_percent)`,
  slots: (used: number, slots: number, holders = '') =>
    `${used} of ${slots} slots are in use${holders === '' ? '' : `: ${holders}`}`,
  none: () => 'it has room',
  noNode: () => 'there is no node',
}

/** Why no task is started at all: completes `It waits: …`. */
export const obstacles = {
  drain: () => 'the daemon is being drained and starts no task until `tdf daemon drain --undo`',
  disk: (free: string, wanted: string) => `the disk of the daemon is nearly full: ${free} free, ${wanted} wanted`,
  restore: () => 'the database was restored: the nodes are asked what is on them before new tasks start',
}

/** What an agent asks before it uses a tool. */
export const questionText = ({ tool, detail }: { tool: string; detail: string }): string =>
  `may it use ${tool}${detail ? ` (${detail})` : ''}?`

/** The same in one line, of which nothing controls what shows it. */
export const questionLine = (question: { tool: string; detail: string }): string => oneLine(questionText(question))

const NOT_STORED = {
  full: 'the disk of the daemon is full. It goes on when there is room',
  refused: 'the state cannot be written. It goes on when there is room',
  away: 'the database does not answer. It goes on when it does',
}

/** Whole sentences of `tdf why`. Times are ISO 8601. */
export const sentences = {
  notStored: (doing: string, why: 'full' | 'away' | 'refused') =>
    `It is ${doing}, and what happens to it cannot be stored: ${NOT_STORED[why]}.`,
  /** `doing` is `stageNow` of the step. */
  /** `waiting`: as `afterText` has them. */
  waits: (waiting: string) => `It waits for ${waiting}.`,
  turn: (group: string, atMost: number) =>
    `It waits for its turn: ${counted(atMost, 'task')} of group ${group} may run at once.`,
  blocked: (id: string, state: string, isGiven: boolean) =>
    `It waits: ${id} is ${state}${isGiven ? ' and gave no work to begin from' : ''}; \`tdf continue ${id}\` or \`tdf retry ${id}\` lets this go on.`,
  conflict: (ids: readonly string[], files: readonly string[]) =>
    `It waits: git cannot merge ${listed(files)} of ${listed(ids)}; newer work of one of them, by \`tdf continue\`, lets this go on.`,
  step: (doing: string, waiting: string) => `It is ${doing} and waits for ${waiting}.`,
  cleanup: (state: string, doing: string, waiting: string) => `${state}; ${doing} waits for ${waiting}.`,
  state: (status: string, verdict: string | null) => `It is ${status}${inBrackets(verdict)}`,
  over: (state: string, error: string | null) => `${state}${error === null ? '' : `: ${error}`}.`,
  unread: (followups: number) =>
    `${counted(followups, 'follow-up')} reached no agent; the next attempt gets ${followups === 1 ? 'it' : 'them'}.`,
  question: (question: string) => `Its agent waits for your answer: ${question}`,
  followup: () => 'Its agent has answered and waits for you.',
  obstacle: (obstacle: string, place: string) => `It waits: ${obstacle}${place}.`,
  queued: (reason: string, place: string) => `It waits for a slot: ${reason}${place}.`,
  noSlot: (reason: string, place: string) => `It waits for a slot, and ${reason}${place}.`,
  pinned: (node: string, reason: string, place: string) =>
    `It waits for a slot on ${node}, since --node names it: ${reason}${place}.`,
  slotsOfNode: () => 'How many slots a node has is max_workspaces in the configuration.',
  sooner: () =>
    'It goes sooner with more slots (max_workspaces in the configuration), another machine (tdf node add), or ahead of others with a higher --priority.',
  place: (position: number, length: number) => `; it is number ${position} of ${length} in the queue`,
  noNodeTakesIt: (nodes: number) => `none of ${nodes} nodes takes it`,
  maxNodes: (maxNodes: number) => `${maxNodes} machines are all that [nodes] max_nodes allows`,
  /** `holders`: as `holdersText` has them. */
  rested: (agent: string, node: string, holders: string) =>
    `It waits for a slot on ${node} to go on: the usage limit of ${agent} is lifted, and the slots are in use: ${holders}.`,
  parked: (agent: string, until: string, continuation: string) =>
    `It is parked until ${until}: ${agent} has reached its usage limit. Then ${continuation}.`,
  parkedAll: (until: string, stops: string, place: string, passedOver: string) =>
    `It is parked until ${until}: ${stops}. Then it goes on with whichever may${place}.${passedOver}`,
  limited: (agent: string, until: string | null) =>
    `It waits for the usage limit of ${agent}, which another task has reached, until ${until}; a task for another agent would not.`,
  kept: (state: string, node: string, heldMaxMs: number, tries: string) =>
    `${state}, and what could not be read of its work stays in its workspace on ${node}, for at most ${formatDuration(heldMaxMs)}; ${tries}.`,
  held: (state: string, node: string, cost: string, heldMaxMs: number, tries: string) =>
    `${state}, and its work is not home: ${node} is held for it${cost}, for at most ${formatDuration(heldMaxMs)}; ${tries}.`,
  left: (state: string, node: string, thing: string, tries: string) =>
    `${state}, and its workspace on ${node} is not ${thing} yet; ${tries}.`,
  notPushed: (state: string, what: string, remote: string, error: string | null) =>
    `${state}, and ${what} did not get to ${remote}${inBrackets(error)}.`,
  watched: (state: string, url: string, goal: string, watch: string, about: string | null, nextMs: number | null) =>
    `${state}; its pull request ${url} is watched until it is ${goal} (${watch})${about === null ? '' : `: ${about}`}.${nextMs === null ? '' : ` The next look is ${nextMs > 0 ? `in ${formatDurationShort(nextMs)}` : 'now'}.`}`,
  pushing: (state: string, what: string, remote: string, nextMs: number, error: string | null) =>
    `${state}, and ${what} is on its way to ${remote}: ${nextMs > 0 ? `the next try is in ${formatDurationShort(nextMs)}` : 'it is being tried'}${inBrackets(error)}.`,
}

/** Where a parked task goes on, by the step in which it rests. */
export const parkedPlaces: Record<string, string> = {
  agent_session: ', in the workspace that is kept for it',
  salvage: ', on another machine; this one is released as soon as the work is saved',
  node_selection: ', on another machine; the work is saved and the old one was released',
}

/** How often a removal failed and when it is tried again. */
export function triesText(tries: number, nextMs: number, error: string | null): string {
  const next = nextMs > 0 ? `in ${formatDurationShort(nextMs)}` : 'now'
  return `${tries === 1 ? '1 try' : `${tries} tries`} failed, the next is ${next}${inBrackets(error)}`
}

/**
 * The sentence shortened for a line that already says where the task is: `It is saving the work and waits for X.` → `waits
 * for X`.
 */
export const reasonText = (sentence: string): string =>
  sentence.replace(/^It (?:waits for a slot(?:: |, and )|is .*? and (?=waits for ))?/, '').replace(/\.$/, '')

/** `about 6m more; usually 20m`: counted from `now`, in Unix ms; null when nothing is known. */
export function estimateText(
  { expectedAt, usualMs }: Pick<WhyJson, 'expectedAt' | 'usualMs'>,
  now: number,
): string | null {
  if (expectedAt === null) return null
  const leftMs = Date.parse(expectedAt) - now
  // Below ten seconds a tenth would run.
  const left = formatDurationShort(leftMs < 10_000 ? Math.ceil(leftMs / 1_000) * 1_000 : leftMs)
  if (usualMs === null) return leftMs > 0 ? `about ${left}, by what such runs took before` : 'any moment now'
  return `${leftMs > 0 ? `about ${left} more` : 'longer than usual already'}; usually ${formatDurationShort(usualMs)}`
}

const PLACE = /^(.*?); it is number (\d+) of (\d+) in the queue\.?(.*)$/s
const SLOTS = /^(\S+): (\d+) of (\d+) slots are in use.*$/s

/** The same for a column: `#24 of 28 · local 3/3`, the place in the queue first. */
export function queueText(sentence: string): string {
  const [, reason, place, length] = PLACE.exec(sentence) ?? []
  if (reason === undefined) return reasonText(sentence)
  return `#${place} of ${length} · ${reasonText(reason).replace(SLOTS, '$1 $2/$3')}`
}

const LISTED_MAX = 5

/** `a, b and c`; of many, the first few. */
export function listed(words: readonly string[]): string {
  const shown = words.slice(0, LISTED_MAX)
  const rest = words.length - shown.length
  const parts = rest > 0 ? [...shown, `${rest} more`] : shown
  return parts.length < 2 ? parts.join('') : `${parts.slice(0, -1).join(', ')} and ${parts.at(-1)}`
}

const inBrackets = (error: string | null) => (error ? ` (${error})` : '')

const PLACES = ['first', 'second', 'third']

/** A result on its way onto its branch. */
export const landingSentences = {
  left: (branch: string, why: string) => `it was not landed on ${branch}: ${why}`,
  inLane: (branch: string, place: number, first: string, state: string) => {
    const where = `${PLACES[place - 1] ?? `number ${place}`} in the lane onto ${branch}`
    const doing =
      { checking: 'is being checked', ready: 'can land: tdf land moves the branch' }[state] ?? 'is being merged'
    return `it is ${where}; ${place === 1 ? 'it' : first} ${doing}`
  },
  conflict: (files: readonly string[]) => `it conflicts in ${files.join(', ')}`,
  /** What became of the attempt that was to resolve it. */
  notResolved: (files: readonly string[], attempt: number, how: string) =>
    `${landingSentences.conflict(files)}, and attempt ${attempt}, which was to resolve that, ${how}`,
  again: (files: readonly string[], attempt: number) =>
    `${landingSentences.conflict(files)} with what came since attempt ${attempt} resolved its conflict`,
  notAsked: (files: readonly string[], why: string) =>
    `${landingSentences.conflict(files)}, and its agent is not asked to resolve that: ${why}`,
}

/** For the agent of a result that is to land. */
export const resolvePrompt = (branch: string, files: readonly string[]) =>
  `Your work is to be merged into ${branch}, which has changed since, and git could not merge these files:\n\n${files.map(file => `- ${oneLine(file)}`).join('\n')}\n\nThe commit that you find is the merge of both. Where both have changed the same lines, the file holds the marks of the conflict. Resolve each of them so that what both sides meant is kept, and commit that on top: what you find is neither rebased nor amended. Nothing else is asked for.`
