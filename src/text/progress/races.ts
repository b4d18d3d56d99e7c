/** Races in words: how a member stands, and who has won. Pure. */
import type { TaskJson } from '../../protocol/control.ts'
import { oneLine } from '../sanitize.ts'
import { listed } from '../waiting.ts'

/** How it stands in its race; null for a task that runs in none. */
export function raceText({ group, score, pick }: Pick<TaskJson, 'group' | 'score' | 'pick'>): string | null {
  if (group?.kind !== 'race') return null
  const name = oneLine(group.name)
  const out = pick ? `, and is out: its pick ended with exit code ${pick.exitCode ?? 'none'}` : ''
  const worth = score === null ? out : `, with a score of ${score}`
  if (group.winner === true) return `won ${name}${worth}`
  return group.winner === false ? `lost ${name}${worth}; tdf show ${name} is the winner` : `runs in ${name}${worth}`
}

/** Whole sentences of `tdf why`, of a member that is over. */
export const raceSentences = {
  won: (race: string) => `It won the race ${race}.`,
  lost: (race: string, winner: string) => `${winner} won the race ${race}.`,
  goesOn: (race: string, ids: readonly string[]) =>
    `The race ${race} is decided when ${listed(ids)} ${ids.length === 1 ? 'is' : 'are'} over.`,
  allOut: (race: string) =>
    `Nobody has won the race ${race}: a member that \`tdf continue\` or \`tdf retry\` completes may still win it.`,
}
