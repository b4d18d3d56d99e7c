/** The model of a ledger does what the real one does: both pass the same suite. */
import { ledgerConformance } from '../../../../conformance/ledger.suite.ts'
import { fakeLedger } from '../../../../fakes/ledger.ts'

const rigOf = (fake: ReturnType<typeof fakeLedger>) => {
  const claim = async () => fake.claim()
  return { claim, usurp: claim }
}

ledgerConformance('a ledger in memory', async () => rigOf(fakeLedger()))

let answers = 0
const losesSome = { turns: () => answers % 3, losesAnswer: () => ++answers % 2 === 0 }
ledgerConformance('a slow one that loses answers', async () => rigOf(fakeLedger(losesSome)))
