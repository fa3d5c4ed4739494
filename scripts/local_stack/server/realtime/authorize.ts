/**
 * Private channels: what the policies on realtime.messages let a subscriber do, found out as the real service
 * does: as that role, with its claims and topic set, inside a transaction that is rolled back.
 */
import type { Sql, TransactionSql } from "postgres";
import type { Claims } from "./claims.ts";
import { codeOf, concernsRequest } from "./errors.ts";

export interface Permission {
  broadcast: boolean;
  presence: boolean;
}

/** There is no partition of realtime.messages for now, so that no policy can be tried. */
export class MissingPartition extends Error {}

const NO_PARTITION = "23514"; // check_violation
const INSUFFICIENT_PRIVILEGE = "42501";
const CHECK_TIMEOUT = "5s";
const NOTHING: Permission = { broadcast: false, presence: false };

export class Authorizer {
  constructor(private readonly sql: Sql) {}

  /** What the subscriber may receive. @throws MissingPartition, or the driver's error of a lost connection. */
  read(topic: string, claims: Claims): Promise<Permission> {
    return this.#rolledBack(async (tx) => {
      const probes = await tx`
        insert into realtime.messages (topic, extension)
        values (${topic}, 'broadcast'), (${topic}, 'presence')
        returning id, extension`.catch((error: unknown) => {
        if (codeOf(error) === NO_PARTITION) throw new MissingPartition();
        throw error;
      });
      await become(tx, claims, topic);
      const ids = JSON.stringify(probes.map((probe) => String(probe.id)));
      const seen = await tx`
        select extension from realtime.messages
        where topic = ${topic}
          and id in (select json_array_elements_text(${ids}::text::json)::uuid)`.catch(deniedByDatabase);
      const may = (extension: string) => seen.some((row) => row.extension === extension);
      return { broadcast: may("broadcast"), presence: may("presence") };
    });
  }

  /** What the subscriber may send. */
  write(topic: string, claims: Claims): Promise<Permission> {
    return this.#rolledBack(async (tx) => {
      await become(tx, claims, topic);
      const may = async (extension: string): Promise<boolean> => {
        try {
          await tx.savepoint((sp) =>
            sp`insert into realtime.messages (topic, extension) values (${topic}, ${extension})`
          );
          return true;
        } catch (error) {
          if (codeOf(error) === INSUFFICIENT_PRIVILEGE) return false;
          throw error;
        }
      };
      return { broadcast: await may("broadcast"), presence: await may("presence") };
    });
  }

  async #rolledBack(check: (tx: TransactionSql) => Promise<Permission>): Promise<Permission> {
    let permission = NOTHING;
    const rollback = new Error("rollback");
    try {
      await this.sql.begin(async (tx) => {
        permission = await check(tx);
        throw rollback;
      });
    } catch (error) {
      if (error === rollback) return permission;
      // A role that does not exist, or a policy that fails, permits nothing.
      if (!(error instanceof MissingPartition) && concernsRequest(codeOf(error))) return NOTHING;
      throw error;
    }
    return permission;
  }
}

async function become(tx: TransactionSql, claims: Claims, topic: string): Promise<void> {
  await tx`select
    set_config('statement_timeout', ${CHECK_TIMEOUT}, true),
    set_config('realtime.topic', ${topic}, true),
    set_config('request.jwt.claims', ${JSON.stringify(claims)}, true),
    set_config('role', ${claims.role}, true)`;
}

function deniedByDatabase(error: unknown): { extension?: unknown }[] {
  if (codeOf(error) === INSUFFICIENT_PRIVILEGE) return [];
  throw error;
}
