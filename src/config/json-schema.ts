/** The schema for editors that complete and check TOML: `tdf config schema`. */
import { z } from 'zod'
import { configSchema } from './schema.ts'

/** Draft 7, which is what editors understand. Describes a file: durations and sizes are strings. */
export function configJsonSchema(): Record<string, unknown> {
  const schema = z.toJSONSchema(configSchema, {
    io: 'input',
    target: 'draft-7',
    override: ({ jsonSchema }) => {
      for (const name of OURS) delete jsonSchema[name]
      // A table that is left out is filled key by key; `{}` as its default would say that it is empty.
      if (jsonSchema.type === 'object' && JSON.stringify(jsonSchema.default) === '{}') delete jsonSchema.default
    },
  })
  return { ...schema, title: 'tdf configuration' }
}

/** What kinds.ts says to us and not to editors. */
const OURS = ['expects', 'apply', 'unit', 'choices', 'secret', 'env', 'example']
