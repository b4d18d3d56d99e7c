/**
 * The ways into a daemon: its control socket, the port for the other daemons and that of the metrics. Their answers change hands:
 * a daemon that stands by hands on what it is asked, and answers it once it serves.
 */
import type { RequestListener } from 'node:http'
import { parseListen } from '../../../src/config/schema/kinds.ts'
import {
  type ListenAddress,
  type Listener,
  type ListenOptions,
  listen,
  type SharedKey,
} from '../../../src/platform/listen.ts'
import type { DaemonOptions } from '../../services.ts'
import type { Shutdown } from '../shutdown.ts'

export interface Door extends Listener {
  /** From now on requests are answered so; those under way end as they began. */
  answer(handler: RequestListener): void
}

export interface Doors {
  socket: Door
  /** Where the other daemons hand on what they are asked; null where there are none, or none yet. */
  members: Door | null
  metrics: Door | null
}

export interface Answers {
  control: RequestListener
  metrics: RequestListener
}

type Undoing = Pick<Shutdown, 'undoLater'>

/** Where long uploads come in. */
const OF_ALL = { requestTimeoutMs: 0, connectionsMax: 128 }

/** The ways in of people and programs of this machine. Throws PORT_TAKEN. */
export async function openDoors(
  { world: { clock }, paths, loaded }: DaemonOptions,
  { control, metrics }: Answers,
  { undoLater }: Undoing,
): Promise<Doors> {
  const { config } = loaded
  async function open(...how: Parameters<typeof openDoor>): Promise<Door> {
    const door = await openDoor(...how)
    undoLater(() => door.stop())
    return door
  }
  const limits = { clock, ...OF_ALL }
  const socket = { kind: 'unix', path: paths.socket, mode: paths.kind === 'system' ? 0o660 : 0o600 } as const
  const few = { clock, requestTimeoutMs: 10_000, connectionsMax: 16 }
  const metricsAt = parseListen(config.daemon.metricsListen)
  return {
    members: null,
    socket: await open(control, socket, limits),
    metrics: metricsAt ? await open(metrics, { kind: 'tcp', ...metricsAt }, few) : null,
  }
}

/** That of the other daemons, over TLS with the key; null where none is configured. Throws PORT_TAKEN. */
export async function openMembersDoor(
  { world: { clock }, loaded }: DaemonOptions,
  { handler, sharedKey }: { handler: RequestListener; sharedKey: SharedKey },
  { undoLater }: Undoing,
): Promise<Door | null> {
  const at = parseListen(loaded.config.cluster.listen)
  if (!at) return null
  const door = await openDoor(handler, { kind: 'tcp', ...at }, { clock, ...OF_ALL, sharedKey })
  undoLater(() => door.stop())
  return door
}

/** Of a daemon that begins to serve. At its end they close before what answers there does. */
export function takeDoors(doors: Doors, { control, metrics }: Answers, { undoLater }: Undoing): void {
  doors.socket.answer(control)
  doors.members?.answer(control)
  doors.metrics?.answer(metrics)
  undoLater(() => doors.socket.stop())
  undoLater(() => doors.members?.stop())
}

async function openDoor(first: RequestListener, address: ListenAddress, options: ListenOptions): Promise<Door> {
  let current = first
  const listener = await listen((request, response) => current(request, response), address, options)
  return {
    ...listener,
    answer(handler) {
      current = handler
    },
  }
}
