/** The labels of a machine of ours: its installation, its node, and the end of its lease. */
import type { Server } from './api.ts'

const INSTALL = 'tdf-install'
const NODE = 'tdf-node'
const LEASE = 'tdf-lease'

export const ofInstall = (installId: string) => `${INSTALL}=${installId}`

/** The lease in whole Unix seconds: a label has no room for the colons of ISO 8601. */
export function labelsOf(installId: string, nodeName: string, leaseUntil: number): Record<string, string> {
  return { [INSTALL]: installId, [NODE]: nodeName, [LEASE]: String(Math.ceil(leaseUntil / 1_000)) }
}

export const installLabel = (installId: string): Record<string, string> => ({ [INSTALL]: installId })

/** The same set with a later lease; what others have added stays. */
export function withLease({ labels }: Pick<Server, 'labels'>, leaseUntil: number): Record<string, string> {
  return { ...labels, [LEASE]: String(Math.ceil(leaseUntil / 1_000)) }
}

/** Proof that a server is ours, and this node's: nothing else is ever deleted. */
export function isOurs({ labels }: Pick<Server, 'labels'>, installId: string, nodeName?: string): boolean {
  return labels[INSTALL] === installId && (nodeName === undefined ? Boolean(labels[NODE]) : labels[NODE] === nodeName)
}

/** The same for what belongs to no node, such as a key. */
export const isOfInstall = ({ labels }: Pick<Server, 'labels'>, installId: string) => labels[INSTALL] === installId

export const nodeOf = ({ labels }: Pick<Server, 'labels'>): string | null => labels[NODE] ?? null

/** Unix ms; null when the label is missing or no number: such a server is never taken for expired. */
export function leaseOf({ labels }: Pick<Server, 'labels'>): number | null {
  const text = labels[LEASE] ?? ''
  return /^\d{1,12}$/.test(text) ? Number(text) * 1_000 : null
}
