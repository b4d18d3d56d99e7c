/** Events as text for people: one line each. */
import { formatDurationShort } from '../core/duration.ts'
import type { AgentStop } from '../core/facts.ts'
import type { EventJson } from '../protocol/control.ts'
import { stoppedText } from './attempts.ts'
import { oneLine } from './sanitize.ts'
import { stageName, stageNow } from './steps.ts'

type TextOf = (data: Record<string, unknown>, event: EventJson) => string

const TEXTS: Record<string, TextOf> = {
  'task.step': ({ from, to, ms }, { nodeName }) => {
    const before = typeof ms === 'number' && from ? ` (${stageName(plain(from))} took ${took(ms)})` : ''
    return to ? `${stageNow(plain(to), nodeName)}${before}` : `all done${before}`
  },
  'task.status': ({ from, to, reason }) => `${from ? `${plain(from)} → ` : ''}${plain(to)}${because(reason)}`,
  'task.agent': ({ from, to, why, until }) => handedText(plain(from), plain(to), plain(why), until),
  'task.released': ({ after }) => `goes on after ${names(after)}`,
  'task.blocked': ({ by, files }) =>
    Array.isArray(files)
      ? `held: git cannot merge ${names(files)} of ${names(by)}`
      : `held: ${names(by)} did not complete`,
  'task.held': ({ reason }) => `the work is not home yet${because(reason)}`,
  'task.saved': ({ commit }) => `the work is home${commit ? `: ${plain(commit).slice(0, 12)}` : ''}`,
  'task.removed': () => 'forgotten',
  'task.taken': ({ how }) => `the result was ${plain(how)}`,
  'task.push': ({ state, remote, branch, error }) =>
    `${state === 'failed' ? 'not pushed' : plain(state === 'pending' ? 'pushing' : state)} ${plain(branch)} to ${plain(remote)}${because(error)}`,
  'task.landing': ({ state, onto, commit, why }) =>
    state === 'landed'
      ? `landed: ${plain(onto).replace('refs/heads/', '')} is at ${plain(commit).slice(0, 12)}`
      : `not landed on ${plain(onto).replace('refs/heads/', '')}${because(why)}`,
  'task.race': ({ group, winner, score }, { taskId }) =>
    winner === null
      ? `nobody won the race ${plain(group)}: all are out`
      : `${winner === taskId ? 'won' : `lost to ${plain(winner)}`} in the race ${plain(group)}${typeof score === 'number' ? `, with a score of ${score}` : ''}`,
  'task.pr': ({ url, state, why }) => `pull request ${plain(url)}: ${plain(state).replace('_', ' ')}${because(why)}`,
  'task.answered': ({ verb }) => `answered over ntfy: ${plain(verb)}`,
  'task.issue': ({ source, issue, why }) => `issue ${plain(issue)} of ${plain(source)}${because(why)}`,
  'budget.warned': ({ budget, spentUsd }) => `${plain(budget)} is nearly used: $${Number(spentUsd).toFixed(2)}`,
  'budget.used': ({ budget, spentUsd }) => `${plain(budget)} is used: $${Number(spentUsd).toFixed(2)}`,
  'node.status': ({ from, to, reason }) => `${from ? `${plain(from)} → ` : ''}${plain(to)}${because(reason)}`,
}

function handedText(from: string, to: string, why: string, until: unknown): string {
  const stop = { agent: from, why: why as AgentStop['why'], until: typeof until === 'number' ? until : null }
  return `${stoppedText(stop)}; goes on with ${to}`
}

export function eventText(event: EventJson): string {
  const text = TEXTS[event.type]
  if (text) return text(event.data, event)
  const facts = Object.entries(event.data).map(([key, value]) => `${key}=${plain(value)}`)
  return oneLine([event.type, ...facts].join(' '))
}

const names = (value: unknown) => (Array.isArray(value) ? value.map(plain).join(', ') : plain(value))

export const took = (ms: number) => (ms < 1_000 ? `${Math.max(ms, 0)}ms` : formatDurationShort(ms))

function plain(value: unknown): string {
  return oneLine(typeof value === 'string' ? value : (JSON.stringify(value) ?? ''))
}

const because = (reason: unknown) => (typeof reason === 'string' && reason !== '' ? `: ${oneLine(reason)}` : '')
