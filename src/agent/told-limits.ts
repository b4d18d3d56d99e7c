/** Bounds that the daemon has a say in: its own, told at every registration, before those this agent was started with. */
import type { Agent } from './agent.ts'

type Told = Pick<Agent, 'limits' | 'registration'>

export const logBytesMax = ({ limits, registration }: Told): number =>
  registration.current()?.limits?.logMaxBytes ?? limits.logBytesMax

export const salvageBytesMax = ({ limits, registration }: Told): number =>
  registration.current()?.limits?.salvageMaxBytes ?? limits.salvageBytesMax
