/** The options of `tdf submit` as the request that they mean. */
import type { SubmitBody } from '../src/protocol/submit.ts'
import type { SubmitOptions } from './submit.ts'

export interface Asked extends Pick<SubmitBody, 'prompt' | 'command' | 'repo' | 'author' | 'timeoutMs'> {
  options: Partial<SubmitOptions>
}

export function submitBody({ options, ...asked }: Asked): SubmitBody {
  return {
    ...asked,
    title: options.title ?? null,
    agent: options.agent ?? null,
    model: options.model ?? null,
    setup: options.setup ?? null,
    check: options.check ?? null,
    node: options.node ?? null,
    provider: options.provider ?? null,
    size: options.size ?? null,
    location: options.location ?? null,
    labels: options.label ?? {},
    priority: options.priority ?? 0,
    outputBranch: options.outputBranch ?? null,
    interactive: options.interactive === true,
    maxCostUsd: options.maxCost ?? null,
    permissions: options.permissions ?? null,
    autoResume: options.autoResume !== false,
  }
}
