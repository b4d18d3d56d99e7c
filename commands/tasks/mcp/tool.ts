/** What a tool is, and how its arguments are read. */
import { z } from 'zod'
import { parseBody, text } from '../../../src/protocol/shapes.ts'
import type { Answer } from './answers.ts'
import type { Call, Door } from './door.ts'

export interface Tool {
  name: string
  description: string
  inputSchema: object
  /** *looks* changes nothing; *answers* is there with `--may-answer` alone. */
  kind: 'looks' | 'changes' | 'answers'
  /** Throws BAD_REQUEST for arguments that do not fit. */
  call(door: Door, input: unknown, call: Call): Promise<Answer>
}

interface Definition<Input extends z.ZodType> extends Pick<Tool, 'name' | 'description' | 'kind'> {
  input: Input
  run(door: Door, input: z.output<Input>, call: Call): Promise<Answer>
}

export function tool<Input extends z.ZodType>({ input, run, ...rest }: Definition<Input>): Tool {
  // Which draft of JSON Schema it is, some models take for a property.
  const { $schema: _, ...inputSchema } = z.toJSONSchema(input, { io: 'input' })
  return {
    ...rest,
    inputSchema,
    call: (door, given, call) => run(door, parseBody(input, given ?? {}), call),
  }
}

const REFERENCE_CHARS_MAX = 160

export const reference = text(REFERENCE_CHARS_MAX)
  .min(1)
  .describe('id of the task, or its first characters; ID@2 is its second attempt')

/** As the daemon takes it: it names a delivery, too. */
export const idempotencyKey = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/, 'must be letters, digits, ".", "_" or "-", 1 to 128 of them')
  .optional()
  .describe('the same key again is the same request, also after a time-out: nothing is done twice')
