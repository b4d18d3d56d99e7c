/** `/`: words that a row has to have, `key:word` for one of its parts, `!` before a word for rows without it. */
import type { ScreenTaskJson } from '../protocol/control.ts'
import { stateOf } from './states.ts'

type Part = (task: ScreenTaskJson) => string

const PARTS: Record<string, Part> = {
  id: ({ id }) => id,
  title: ({ title }) => title,
  status: task => `${task.status} ${stateOf(task).word}`,
  state: task => `${task.status} ${stateOf(task).word}`,
  step: ({ step }) => step ?? '',
  verdict: ({ verdict }) => verdict ?? '',
  node: ({ node }) => node?.name ?? '',
  agent: ({ agent }) => agent,
  repo: ({ repo }) => repo.url,
  label: ({ labels }) =>
    Object.entries(labels)
      .map(([key, value]) => `${key}=${value}`)
      .join(' '),
}

/** What a bare word is looked for in. */
const PLAIN: readonly Part[] = ['id', 'title', 'status', 'node', 'agent', 'label'].flatMap(name => PARTS[name] ?? [])

export function filterOf(text: string): (task: ScreenTaskJson) => boolean {
  const tests = text.trim().toLowerCase().split(/\s+/).filter(Boolean).map(wordTest)
  return task => tests.every(test => test(task))
}

function wordTest(word: string): (task: ScreenTaskJson) => boolean {
  if (word.startsWith('!') && word.length > 1) {
    const test = wordTest(word.slice(1))
    return task => !test(task)
  }
  const [name = '', ...rest] = word.split(':')
  const part = rest.length > 0 ? PARTS[name] : undefined
  const [wanted, parts] = part ? [rest.join(':'), [part]] : [word, PLAIN]
  return task => parts.some(of => of(task).toLowerCase().includes(wanted))
}
