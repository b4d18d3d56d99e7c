/** Hands a task over, or asks what would become of it. */
import type { SubmitBody } from '../src/protocol/submit.ts'
import type { Cli } from './cli.ts'

export function post<T>(cli: Cli, json: SubmitBody, idempotencyKey: string | null, dryRun: boolean): Promise<T> {
  const headers = {
    ...(idempotencyKey === null ? {} : { 'idempotency-key': idempotencyKey }),
    ...(cli.env.TRACEPARENT ? { traceparent: cli.env.TRACEPARENT } : {}),
  }
  return cli.client().call<T>({ method: 'POST', path: dryRun ? '/tasks?dry_run=true' : '/tasks', json, headers })
}
