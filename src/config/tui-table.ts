/** `[tui]`: the dashboard, as `tdf watch` opens it. */
import { z } from 'zod'
import { clashesOf, KEY_FORM, KEY_NAMES, KEY_TABLE, type KeyMap } from '../key-names.ts'
import { described, flag } from './kinds.ts'

const apply = 'watch'
const KEYS_MAX = 8

function keys(initial: readonly string[], description: string) {
  const schema = z
    .array(z.string().regex(KEY_FORM))
    .max(KEYS_MAX)
    .prefault([...initial])
  const expects = `a list of at most ${KEYS_MAX} keys such as ["j", "down", "ctrl-d", "space", "enter", "esc"]`
  return described(schema, description, { apply, expects })
}

const sentence = (text: string) => `${text[0]?.toUpperCase()}${text.slice(1)}.`
const rows = KEY_NAMES.map(name => [name, keys(KEY_TABLE[name].keys, sentence(KEY_TABLE[name].says))] as const)

const keysTable = z
  // A key for every row of the table, which `fromEntries` forgets.
  .strictObject(Object.fromEntries(rows) as Record<keyof KeyMap, ReturnType<typeof keys>>)
  .superRefine((map, complaints) => {
    for (const { name, key, other } of clashesOf(map)) {
      const says = `${JSON.stringify(key)} is ${other} there already`
      complaints.addIssue({ code: 'custom', path: [name], params: { says } })
    }
  })
  .prefault({})
  .meta({ description: 'The keys of the dashboard. Ctrl-C always leaves it; an empty list takes a key away.' })

export const tuiTable = z
  .strictObject({
    read_only: flag(false, 'Open it without the keys that change something, as --read-only does.', { apply }),
    keys: keysTable,
  })
  .prefault({})
  .meta({ description: 'The dashboard of `tdf watch`, which reads this file when it opens.' })
