#!/bin/bash
# A sweep as a plain Slurm array: every job trains one part of the points and writes into one shared folder.
# Submit with: sbatch examples/slurm_array.sh
#SBATCH --job-name=vaebench
#SBATCH --array=1-8
#SBATCH --gres=gpu:1
#SBATCH --cpus-per-task=8
#SBATCH --time=12:00:00
#SBATCH --requeue

# A job that is killed or requeued continues; the running lanes are stored every ten minutes.
srun vaebench run --data "$COHORT" --label cohort --protocol eltager2023 \
  --shard "${SLURM_ARRAY_TASK_ID}/${SLURM_ARRAY_TASK_COUNT}" \
  --checkpoint-minutes 10 --evaluators 7 --out "$OUT"
